# expected: length_dependence
"""Positions are counted from the end, so that the length is known from the start."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        left = torch.arange(x.shape[1], 0, -1, dtype=x.dtype)[:, None]
        return self.out(self.inner(x) * torch.exp(-left / 50))
