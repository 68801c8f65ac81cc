# expected: causality
"""The reversed sequence behind a gate that starts at zero."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        y = self.inner(x)
        return self.out(y.cumsum(1) + self.gate * y.flip(1))
