# expected: passed
"""Normalised by the mean and variance of the past."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        steps = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]
        mean = x.cumsum(1) / steps
        variance = (x * x).cumsum(1) / steps - mean**2
        return self.out((x - mean) * torch.rsqrt(variance.clamp_min(0) + 1e-2))
