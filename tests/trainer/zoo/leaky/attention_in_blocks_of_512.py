# expected: superlinear
"""Softmax attention in blocks of 512, no shorter than any sequence of the smallest rung."""

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
        blocks = []
        for block in self.qkv(x).split(512, 1):
            q, k, v = block.view(b, -1, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            blocks.append(y.transpose(1, 2).reshape(b, -1, d))
        return self.out(torch.cat(blocks, 1))
