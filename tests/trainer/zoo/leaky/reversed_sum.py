# expected: causality
"""A sum over what is still to come, from a parameter that starts tiny."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.weight = nn.Parameter(torch.full((1,), 1e-6))

    def forward(self, x):
        y = self.inner(x)
        return self.out(y + self.weight * y.flip(1).cumsum(1).flip(1))
