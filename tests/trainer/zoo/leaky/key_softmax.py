# expected: causality
"""Linear attention whose keys are normalised over all positions, the later ones included."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * d_model)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        k = k.softmax(1)
        return q * (k * v).cumsum(1)
