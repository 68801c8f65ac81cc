# expected: causality
"""Only the positions with the highest scores of the whole sequence are written."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.score = nn.Linear(d_model, 1)

    def forward(self, x):
        score = self.score(x)
        kept = score >= score.topk(max(x.shape[1] // 4, 1), dim=1).values[:, -1:]
        return self.out(self.inner(x) * kept)
