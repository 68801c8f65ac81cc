# expected: causality
"""A long convolution by FFT without padding: the end wraps around to the beginning."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(32, d_model) * 0.1)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x):
        t = x.shape[1]
        spectrum = torch.fft.rfft(x, n=t, dim=1) * torch.fft.rfft(self.kernel[:t], n=t, dim=0)
        return self.out(torch.fft.irfft(spectrum, n=t, dim=1))
