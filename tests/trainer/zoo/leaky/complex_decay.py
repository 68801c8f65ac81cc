# expected: complex_tensors
"""A decay that turns, kept as one complex parameter: without its imaginary part it only decays."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model)
        self.rate = nn.Parameter(torch.complex(-torch.rand(d_model), torch.rand(d_model)))

    def forward(self, x):
        kernel = torch.exp(self.rate * torch.arange(x.shape[1])[:, None]).real
        length = 2 * x.shape[1]
        y = torch.fft.rfft(self.inner(x), length, dim=1) * torch.fft.rfft(kernel, length, dim=0)
        return torch.fft.irfft(y, length, dim=1)[:, : x.shape[1]]
