# expected: timeout
# seconds: 2
"""Never returns from forward."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)

    def forward(self, x):
        while True:
            pass
