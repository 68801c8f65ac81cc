# expected: passed
"""Does its products and its chunked recurrence in bfloat16: rounding moves with the length, and is not a leak."""

import torch
import torch.nn.functional as F
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        low = torch.bfloat16
        q, k, v = F.linear(x.to(low), self.qkv.weight.to(low), self.qkv.bias.to(low)).chunk(3, -1)
        chunk = min(max(t // 4, 1), 40)
        q, k, v = (F.pad(y, (0, 0, 0, -t % chunk)).unflatten(1, (-1, chunk)) for y in (q.softmax(-1), k.softmax(-1), v))
        states = (k.mT @ v).cumsum(1)
        states = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
        y = q @ states + (q @ k.mT).tril() @ v
        y = F.linear(y.flatten(1, 2)[:, :t], self.out.weight.to(low), self.out.bias.to(low))
        return y.to(x.dtype)
