# expected: unbounded_state
"""Keeps the output of every call in eval mode."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.kept = []

    def forward(self, x):
        y = self.out(self.inner(x))
        if not self.training:
            self.kept.append(y.detach())
        return y
