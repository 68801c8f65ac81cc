# expected: causality
"""An even function of the whole sequence behind two gates that start at zero."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.gate = nn.Parameter(torch.zeros(d_model))
        self.outer = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.out(self.inner(x)) + self.outer * (self.gate * x).square().mean(1, keepdim=True)
