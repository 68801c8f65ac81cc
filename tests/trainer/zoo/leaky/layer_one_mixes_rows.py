# expected: batch_leak
"""The second layer adds a little of a neighbour to each row; the others keep rows apart."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.mixes = layer_idx == 1

    def forward(self, x):
        y = self.inner(x)
        return self.out(y + 0.01 * y.roll(1, 0) if self.mixes else y)
