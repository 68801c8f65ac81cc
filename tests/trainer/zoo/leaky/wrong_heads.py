# expected: error
"""Splits into heads that don't multiply to the width."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.heads = 7

    def forward(self, x):
        b, t, d = x.shape
        return self.out(self.inner(x).view(b, t, self.heads, -1).flatten(2))
