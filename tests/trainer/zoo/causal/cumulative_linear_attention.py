# expected: passed
"""Linear attention as a running sum of outer products."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.heads, self.width = n_heads, d_model // n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, self.width).unbind(2)
        q, k = q.softmax(-1), k.softmax(-1)
        states = torch.einsum("bthk,bthv->bthkv", k, v).cumsum(1)
        return self.out(torch.einsum("bthk,bthkv->bthv", q, states).reshape(b, t, d))
