"""The causal depthwise convolution before queries, keys and values."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from kernels import causal_conv1d


class ShortConvolution(nn.Module):
    """A depthwise convolution of `kernel_size` steps that sees the past only, with an optional SiLU."""

    def __init__(
        self,
        hidden_size: int,
        kernel_size: int = 4,
        bias: bool = False,
        activation: str | None = "silu",
        **_: object,
    ) -> None:
        super().__init__()
        self.hidden_size, self.activation = hidden_size, activation
        self.kernel_size = (kernel_size,)
        bound = 1 / math.sqrt(kernel_size)
        self.weight = nn.Parameter(torch.empty(hidden_size, 1, kernel_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(hidden_size)) if bias else None

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Tensor | None = None,
        output_final_state: bool = False,
        cu_seqlens: Tensor | None = None,
        **_: object,
    ) -> tuple[Tensor, Tensor | None]:
        """Return (y [B, T, D], the last W inputs [B, D, W] or None).

        mask [B, T] silences padding; cache [B, D, W] holds earlier inputs; cu_seqlens [N + 1] are the offsets of N
        sequences packed along time with B = 1, whose caches then have N in place of B.
        """
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        if cu_seqlens is None:
            y, state = self._sequence(x, cache)
        else:
            y, state = self._packed(x, cache, cu_seqlens.tolist())
        return (y if residual is None else y + residual), (state if output_final_state else None)

    def step(
        self, x: Tensor, residual: Tensor | None = None, cache: Tensor | None = None, **_: object
    ) -> tuple[Tensor, Tensor]:
        """Return the output of one more step x [B, 1, D] and the new cache."""
        y, state = self._sequence(x, cache)
        return (y if residual is None else y + residual), state

    def _sequence(self, x: Tensor, cache: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convolve x [B, T, D]; return it and the last W inputs [B, D, W]."""
        reach = self.kernel_size[0] - 1
        past = x.new_zeros(x.shape[0], x.shape[2], reach + 1) if cache is None else cache.to(x.dtype)
        earlier = past[..., 1:] if reach else None
        bias = None if self.bias is None else self.bias.to(x.dtype)
        y, _ = causal_conv1d(x, self.weight[:, 0].to(x.dtype), bias, self.activation, earlier)
        return y, torch.cat([past, x.mT], -1)[..., -(reach + 1) :]

    def _packed(self, x: Tensor, cache: Tensor | None, offsets: list[int]) -> tuple[Tensor, Tensor]:
        """Convolve each of the packed sequences of x [1, T, D] by itself."""
        pieces = [
            self._sequence(x[:, start:end], None if cache is None else cache[number : number + 1])
            for number, (start, end) in enumerate(pairwise(offsets))
        ]
        return torch.cat([y for y, _ in pieces], 1), torch.cat([state for _, state in pieces])
