"""A stand-in for the part of flash-linear-attention that layer files import. Same names and shapes, plain torch.

A room here (layers, models, modules, ops, utils) has on its face, flat, the names of all the modules that fla has
there: see `stand_ins.importing`.
"""
