# expected: nondeterministic
"""Answers with what it computed the first time."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.cache = None

    def forward(self, x):
        y = self.out(self.inner(x))
        if self.cache is None or self.cache.shape != y.shape:
            self.cache = y.detach()
        return y + self.cache
