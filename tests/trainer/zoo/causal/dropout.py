# expected: passed
"""Dropout in training: random, and causal."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.value = nn.Linear(d_model, d_model)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        steps = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]
        return self.drop(self.value(x)).cumsum(1) / steps
