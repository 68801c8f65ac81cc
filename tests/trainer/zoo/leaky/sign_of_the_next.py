# expected: causality
"""One bit of the next token, rounded so that gradients are zero."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        following = torch.cat([x[:, 1:, :1], torch.zeros_like(x[:, :1, :1])], 1)
        return self.out(self.inner(x) + 0.1 * following.sign())
