# expected: batch_leak
"""Batch norm over batch and time while training."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.norm = nn.BatchNorm1d(d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.out(self.norm(x.transpose(1, 2)).transpose(1, 2))
