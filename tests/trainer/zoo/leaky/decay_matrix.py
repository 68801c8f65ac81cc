# expected: superlinear
"""Retention in its parallel form: a matrix of all pairs of positions."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * d_model)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        steps = torch.arange(x.shape[1], dtype=x.dtype)
        decay = (0.9 ** (steps[:, None] - steps).clamp_min(0)).tril()
        return (q @ k.transpose(1, 2) * decay) @ v * 0.1
