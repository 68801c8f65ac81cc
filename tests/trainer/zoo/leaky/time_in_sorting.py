# expected: superlinear
"""Sorts all earlier positions at each position."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        lowest = sum(sorted(range(t + 1), key=lambda s: (-s) % 7)[0] for t in range(x.shape[1]))
        return self.out(self.inner(x)) + 0 * lowest
