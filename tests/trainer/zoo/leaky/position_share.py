# expected: length_dependence
"""The position enters as a share of the length."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        share = torch.arange(x.shape[1], dtype=x.dtype)[:, None] / x.shape[1]
        return self.out(self.inner(x) * (1 + share))
