# expected: superlinear
"""Softmax attention in train mode, its running mean in eval mode."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * d_model)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.training:
            return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return v.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
