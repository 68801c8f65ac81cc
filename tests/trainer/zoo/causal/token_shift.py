# expected: passed
"""Mixes each position with the one before it; a helper class stands in the same file."""

import torch
from torch import nn


class RootMeanSquare(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.mix = nn.Parameter(torch.full((d_model,), 0.5))
        self.norm = RootMeanSquare(d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return self.out(self.norm(torch.lerp(x, before, self.mix)))
