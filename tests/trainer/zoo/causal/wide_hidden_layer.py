# expected: passed
"""A hidden layer so wide that its results outgrow the caches at the longest length: slower there, and linear."""

import torch
from torch import Tensor, nn


class WideHiddenLayer(nn.Module):
    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.wide = nn.Linear(1, 9999, bias=False)
        self.decay = nn.Parameter(torch.zeros(d_model))
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        position = torch.arange(1, length + 1, device=x.device)[:, None]
        mean = x.cumsum(1) / position
        return self.out(mean * self.decay.sigmoid() + self.wide(x[..., :1]).relu().exp().mean(-1, keepdim=True))
