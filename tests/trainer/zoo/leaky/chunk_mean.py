# expected: causality
"""Every position of a chunk sees the mean of its chunk."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        y = torch.nn.functional.pad(self.inner(x), (0, 0, 0, -t % 16)).view(b, -1, 16, d)
        y = y + y.mean(2, keepdim=True)
        return self.out(y.view(b, -1, d)[:, :t])
