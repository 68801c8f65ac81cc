# expected: superlinear
"""Softmax attention with an MLP of 24 times the width."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.heads, self.width = n_heads, d_model // n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, 24 * d_model), nn.SiLU(), nn.Linear(24 * d_model, d_model))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(b, t, d)) + self.mlp(x)
