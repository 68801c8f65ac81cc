# expected: unbounded_state
"""Keeps the inputs of every call in one tensor."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.kept = torch.zeros(0)

    def forward(self, x):
        if not self.training:
            self.kept = torch.cat([self.kept, x.detach().flatten().to(self.kept)])
        return self.out(self.inner(x))
