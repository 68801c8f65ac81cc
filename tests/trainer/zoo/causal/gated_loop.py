# expected: passed
"""A gated recurrence, one position after another."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.gate = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)

    def forward(self, x):
        gate, value = torch.sigmoid(self.gate(x) + 2), self.value(x)
        state, outputs = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            state = gate[:, t] * state + (1 - gate[:, t]) * value[:, t]
            outputs.append(state)
        return torch.stack(outputs, 1)
