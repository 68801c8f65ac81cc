# expected: causality
"""Leaks only at odd lengths, from the middle on."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        y = self.inner(x)
        return self.out(y + 0.1 * y[:, -1:] if x.shape[1] % 2 else y)
