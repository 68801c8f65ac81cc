# expected: batch_leak
"""Each row but the first is given a little of the row before it."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        y = self.inner(x).clone()
        y = torch.cat([y[:1], y[1:] + 0.01 * y[:-1]])
        return self.out(y)
