# expected: length_dependence
"""The position runs from zero to one, whatever the length."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        ramp = torch.linspace(0, 1, t, dtype=x.dtype).unsqueeze(-1)
        return self.out(self.inner(x) + ramp)
