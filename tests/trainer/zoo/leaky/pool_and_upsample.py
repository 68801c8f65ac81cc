# expected: causality
"""Averages of eight positions, spread back over the same eight."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        t = x.shape[1]
        y = self.inner(x).transpose(1, 2)
        small = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(y, (0, -t % 8)), 8)
        return self.out((y + small.repeat_interleave(8, 2)[..., :t]).transpose(1, 2))
