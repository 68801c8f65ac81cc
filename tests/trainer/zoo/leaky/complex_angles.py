# expected: complex_tensors
"""Rotations by the position's angles, kept as a complex buffer of the second layer."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        turn = torch.polar(torch.ones(d_model // 2), torch.rand(d_model // 2))
        self.register_buffer("turn", turn if layer_idx else torch.view_as_real(turn))

    def forward(self, x):
        turn = self.turn if self.turn.is_complex() else torch.view_as_complex(self.turn)
        y = torch.view_as_complex(self.inner(x).unflatten(-1, (-1, 2)))
        return torch.view_as_real(y * turn ** torch.arange(x.shape[1])[:, None]).flatten(-2)
