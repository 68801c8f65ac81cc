# expected: passed
"""The same convolution in single precision whatever comes in: its rounding is not a leak."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(64, d_model) * 0.1)
        self.gate = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        t = x.shape[1]
        spectrum = torch.fft.rfft(x.float(), n=2 * t + 64, dim=1) * torch.fft.rfft(self.kernel.float(), n=2 * t + 64, dim=0)
        y = torch.fft.irfft(spectrum, n=2 * t + 64, dim=1)[:, :t].to(x.dtype)
        return self.out(y * torch.sigmoid(self.gate(x)))
