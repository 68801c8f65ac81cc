# expected: unbounded_state
"""Remembers exact vectors in a dictionary: what followed the same vector before."""

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
            memory, last, found = {}, None, []
            for key, v in zip(map(tuple, row.tolist()), values, strict=True):
                if last is not None:
                    memory[last] = v
                found.append(memory.get(key, torch.zeros_like(v)))
                last = key
            rows.append(torch.stack(found))
        return self.out(value + torch.stack(rows))
