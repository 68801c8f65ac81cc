"""A layer in fla's form that casts to bfloat16 by name."""

import torch
from fla.modules import ShortConvolution
from torch import nn


class Lowered(nn.Module):
    def __init__(self, hidden_size=1024, num_heads=4, **kwargs):
        super().__init__()
        self.conv = ShortConvolution(hidden_size, 4)
        self.inner = nn.Linear(hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        y, _ = self.conv(self.inner(hidden_states))
        y = y.to(torch.bfloat16).cumsum(1) / 16
        return self.out(y), None, None
