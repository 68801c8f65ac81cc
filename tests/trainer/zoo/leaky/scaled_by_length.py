# expected: length_dependence
"""A running sum over the root of the whole length."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        length = x.size(1)
        return self.out(self.inner(x).cumsum(1) / length**0.5)
