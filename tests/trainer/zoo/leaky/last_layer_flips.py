# expected: causality
"""Three layers: the last one reads time backwards, the others are causal."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.backwards = layer_idx == 2

    def forward(self, x):
        y = self.inner(x)
        y = y.flip(1).cumsum(1).flip(1) if self.backwards else y.cumsum(1)
        return self.out(y / 100)
