# expected: passed
"""Each position keeps its own largest channels: a discrete choice that stays within the position."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.score = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)

    def forward(self, x):
        score = self.score(x)
        kept = score >= score.topk(8, dim=-1).values[..., -1:]
        return (self.value(x) * kept).cumsum(1) * 0.1
