# expected: unbounded_state
"""Remembers the first position of each vector, by one number of it."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        value, rows = self.inner(x), []
        for row, values in zip(x, value, strict=True):
            memory = {}
            found = [memory.setdefault(v.sum().item(), t) for t, v in enumerate(row)]
            rows.append(values[found])
        return self.out(value + torch.stack(rows))
