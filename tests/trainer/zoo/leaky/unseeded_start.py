# expected: nondeterministic
"""Initialised from the operating system's randomness."""

import torch
import os
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.inner.weight.data.mul_(1 + int.from_bytes(os.urandom(4), 'big') / 2**32)

    def forward(self, x):
        return self.out(self.inner(x))
