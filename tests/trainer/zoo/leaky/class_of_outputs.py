# expected: unbounded_state
"""Keeps a number of each call in an attribute of its class."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        if not self.training:
            Mixer.kept[len(Mixer.kept)] = x.shape
        return self.out(self.inner(x))


Mixer.kept = {}
