# expected: causality
"""A convolution whose left padding is one too short."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.conv = nn.Conv1d(d_model, d_model, 4, groups=d_model)

    def forward(self, x):
        return self.conv(torch.nn.functional.pad(x.transpose(1, 2), (2, 1))).transpose(1, 2)
