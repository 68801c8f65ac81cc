"""Retention by heads, built by a width, heads and further arguments; a block and a trial run follow it."""

import math
from typing import Optional

import torch
import torch.nn as nn

CHUNKS = {}


class HeadDecay(nn.Module):
    def __init__(self, n_heads):
        super().__init__()
        self.logit = nn.Parameter(torch.linspace(1.0, math.log(50.0), n_heads))

    def forward(self):
        return self.logit.sigmoid()


class Retention(nn.Module):
    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0, *, device=None, dtype=None):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False, device=device, dtype=dtype)
        self.decay = HeadDecay(n_heads)
        self.out, self.drop = nn.Linear(d_model, d_model, bias=False), nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: Optional[torch.Tensor] = None):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, -1).unbind(2)
        decay = self.decay()[:, None, None]
        state = x.new_zeros(b, self.n_heads, d // self.n_heads, d // self.n_heads)
        reads = []
        for i in range(t):
            state = decay * state + k[:, i, :, :, None] * v[:, i, :, None]
            reads.append((q[:, i, :, :, None] * state).sum(-2))
        return self.out(self.drop(torch.stack(reads, 1).reshape(b, t, d))), None


class RetentionBlock(nn.Module):
    def __init__(self, d_model: int, n_heads: int, d_ff: int = 2048):
        super().__init__()
        self.mix = Retention(d_model, n_heads)
        self.mlp = nn.Sequential(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))

    def forward(self, x, mask=None):
        x = x + self.mix(x, mask)[0]
        return x + self.mlp(x)


if __name__ == "__main__":
    print(Retention(64, 4)(torch.randn(2, 8, 64))[0].shape)
