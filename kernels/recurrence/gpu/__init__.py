"""The recurrence as Triton kernels, forward and backward, for every kind.

Chunks of up to 64 steps. What depends on the kind of decay is kept to the score kernels; the rest sees decayed reads,
decayed writes and finished scores. States, decays, and the inverse of the delta rule are fp32, products take the
inputs' dtype. Tokens of all sequences lie on one axis, so that a batch and packed sequences are one case.
"""
