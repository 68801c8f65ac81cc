# expected: bad_output
"""Pads to a multiple of 16 and forgets to cut."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.out(self.inner(torch.nn.functional.pad(x, (0, 0, 0, -x.shape[1] % 16))))
