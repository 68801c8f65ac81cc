# expected: passed
"""A causal path behind a gate that starts at zero."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.value = nn.Linear(d_model, d_model)
        self.gate = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        y = self.value(x)
        steps = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]
        return y + self.gate * y.cumsum(1) / steps
