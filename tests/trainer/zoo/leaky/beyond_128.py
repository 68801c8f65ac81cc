# expected: causality
"""Causal up to 128 positions, then the whole sequence is averaged in."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        y = self.inner(x)
        return self.out(y + y.mean(1, keepdim=True) if x.shape[1] > 128 else y)
