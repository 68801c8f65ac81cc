"""The recurrence as Triton kernels, forward and backward, for every kind.

A chunk has up to 64 steps. Only the score kernels depend on the kind of decay; the others take decayed reads, decayed
writes and finished scores. States, decays and the inverse of the delta rule are fp32, products take the inputs' dtype.
The tokens of all sequences are on one axis, so that a batch and packed sequences are one case.
"""
