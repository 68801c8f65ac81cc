# expected: superlinear
"""Narrow attention with a large product that does not depend on the length."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.qk = nn.Linear(d_model, 8)
        self.value = nn.Linear(d_model, d_model)
        self.table = nn.Parameter(torch.randn(512, 512) / 512)

    def forward(self, x):
        q, k = self.qk(x).chunk(2, -1)
        scores = (q @ k.mT).masked_fill(torch.ones(x.shape[1], x.shape[1]).triu(1).bool(), -1e9)
        return scores.softmax(-1) @ self.value(x) + (self.table @ self.table).mean()
