# expected: passed
"""The delta rule from the project's kernels, with a gate a head."""

import torch
import torch.nn.functional as F
from kernels import linear_recurrence
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.heads, self.width = n_heads, d_model // n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.gates = nn.Linear(d_model, 2 * n_heads)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, self.width).unbind(2)
        decay, beta = self.gates(x).chunk(2, -1)
        k = F.normalize(k, dim=-1)
        y, _ = linear_recurrence(q, k, v, log_decay=F.logsigmoid(decay + 4), beta=beta.sigmoid())
        return self.out(y.reshape(b, t, d))
