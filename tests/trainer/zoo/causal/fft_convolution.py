# expected: passed
"""A long convolution by FFT, padded to twice the length, so that nothing wraps around."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.decay = nn.Parameter(torch.rand(d_model) * 0.5)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        t = x.shape[1]
        steps = torch.arange(t, device=x.device, dtype=x.dtype)[:, None]
        kernel = torch.exp(-self.decay.abs() * steps)
        spectrum = torch.fft.rfft(x, n=2 * t, dim=1) * torch.fft.rfft(kernel, n=2 * t, dim=0)
        return self.out(torch.fft.irfft(spectrum, n=2 * t, dim=1)[:, :t])
