# expected: batch_leak
"""The first row is given a little of the last one."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        y = self.inner(x).clone()
        y[0] = y[0] + 0.01 * (y[-1] if len(y) > 1 else 0)
        return self.out(y)
