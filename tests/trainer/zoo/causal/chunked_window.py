# expected: passed
"""Attention within a window of two chunks, masked, for lengths that are no multiple of a chunk."""

import torch
import torch.nn.functional as F
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.heads, self.width, self.chunk = n_heads, d_model // n_heads, 16
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        c = self.chunk
        padded = F.pad(self.qkv(x), (0, 0, 0, -t % c))
        q, k, v = padded.view(b, -1, c, 3, self.heads, self.width).permute(3, 0, 4, 1, 2, 5)  # [b, h, n, c, w]
        before = lambda y: torch.cat([F.pad(y, (0, 0, 0, 0, 1, 0))[:, :, :-1], y], 3)
        scores = q @ before(k).transpose(-1, -2) / self.width**0.5
        rows, columns = torch.arange(c)[:, None] + c, torch.arange(2 * c)[None]
        mask = (columns <= rows) & (columns > rows - c)
        first = (torch.arange(q.shape[2]) == 0)[:, None, None] & (columns < c)
        y = scores.masked_fill(~mask | first, float("-inf")).softmax(-1) @ before(v)
        return self.out(y.permute(0, 2, 3, 1, 4).reshape(b, -1, d)[:, :t])
