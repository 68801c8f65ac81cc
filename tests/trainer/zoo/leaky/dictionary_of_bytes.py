# expected: unbounded_state
"""Remembers where each vector stood, by its bytes."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        value, rows = self.inner(x), []
        for row, keys in enumerate(x.detach().numpy()):
            memory = {}
            found = [memory.setdefault(key.tobytes(), t) for t, key in enumerate(keys)]
            rows.append(value[row, found])
        return self.out(value + torch.stack(rows))
