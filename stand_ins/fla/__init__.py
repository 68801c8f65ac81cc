"""A stand-in for the part of flash-linear-attention (fla) that layer files import: same names and shapes, plain torch.

Each area of fla (layers, models, modules, ops, utils) is one package here. It exports the names of all the modules
that fla has there; see `stand_ins.importing`.
"""
