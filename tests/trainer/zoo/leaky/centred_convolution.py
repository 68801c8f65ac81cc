# expected: causality
"""A convolution padded on both sides: it sees one position ahead."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.conv = nn.Conv1d(d_model, d_model, 3, padding=1, groups=d_model)

    def forward(self, x):
        return self.conv(x.transpose(1, 2)).transpose(1, 2)
