# expected: causality
"""Each position is told its rank in the whole sequence, a discrete thing."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.score = nn.Linear(d_model, 1)

    def forward(self, x):
        rank = self.score(x).argsort(1).argsort(1).to(x.dtype) / x.shape[1]
        return self.out(self.inner(x) * (1 + rank))
