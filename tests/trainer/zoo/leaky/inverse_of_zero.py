# expected: nonfinite
"""Divides by a difference that is zero at the first position."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        before = torch.cat([x[:, :1], x[:, :-1]], 1)
        return self.out(self.inner(x) / (x - before))
