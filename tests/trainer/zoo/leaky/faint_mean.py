# expected: causality
"""A ten-thousandth of the sequence's mean."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        y = self.inner(x)
        return self.out(y + 1e-4 * y.mean(1, keepdim=True))
