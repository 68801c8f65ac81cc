# expected: superlinear
"""The library's attention, which in eval mode is one operation."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.attention = nn.MultiheadAttention(d_model, n_heads, batch_first=True)

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        return self.attention(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
