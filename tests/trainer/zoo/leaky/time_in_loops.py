# expected: superlinear
"""A loop over all pairs of positions that computes nothing."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        pairs = sum((i ^ j) % 7 * 0 for i in range(x.shape[1]) for j in range(i))
        return self.out(self.inner(x)) + pairs
