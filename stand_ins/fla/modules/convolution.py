"""The causal depthwise convolution that fla's layers apply to queries, keys and values."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from kernels import causal_conv1d as convolve

State = Tensor
"""The last W inputs, [B, D, W], of a convolution of W steps."""


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    initial_state: State | None = None,
    output_final_state: bool = False,
    activation: str | None = None,
    cu_seqlens: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, State | None]:
    """Return (y [B, T, D], final state or None) for x [B, T, D] and weight [D, W].

    cu_seqlens [N + 1] are the offsets of N sequences packed along time. Then B = 1, and states have N in place of B.
    """
    bounds = [0, x.shape[1]] if cu_seqlens is None else cu_seqlens.tolist()
    pieces = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        state = initial_state
        if state is not None and cu_seqlens is not None:
            state = state[number : number + 1]
        pieces.append(_sequence(x[:, start:end], weight, bias, activation, state))
    y, final_state = torch.cat([y for y, _ in pieces], 1), torch.cat([state for _, state in pieces])
    return (y if residual is None else y + residual), (final_state if output_final_state else None)


def causal_conv1d_update(
    x: Tensor,
    cache: State,
    residual: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    activation: str | None = None,
) -> tuple[Tensor, State]:
    """Return (the output of one more step x [B, D] or [B, 1, D], the cache), which is updated in place."""
    assert weight is not None, "a convolution has weights"
    y, state = _sequence(x.reshape(len(x), 1, x.shape[-1]), weight, bias, activation, cache)
    cache.copy_(state)
    y = y.reshape(x.shape)
    return (y if residual is None else y + residual), cache


def _sequence(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, past: State | None
) -> tuple[Tensor, State]:
    """Return (y [B, T, D], final state) of one sequence x [B, T, D] that continues from a state."""
    reach = weight.shape[-1] - 1
    past = x.new_zeros(x.shape[0], x.shape[2], reach + 1) if past is None else past.to(x.dtype)
    earlier = past[..., 1:] if reach else None
    y, _ = convolve(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype), activation, earlier)
    return y, torch.cat([past, x.mT], -1)[..., -(reach + 1) :]


class ShortConvolution(nn.Module):
    """A causal depthwise convolution of `kernel_size` steps, with an optional SiLU."""

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
        self.kernel_size, self.backend = (kernel_size,), "triton"
        bound = 1 / math.sqrt(kernel_size)
        self.weight = nn.Parameter(torch.empty(hidden_size, 1, kernel_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(hidden_size)) if bias else None

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        mask: Tensor | None = None,
        cache: State | None = None,
        output_final_state: bool = False,
        cu_seqlens: Tensor | None = None,
        **_: object,
    ) -> tuple[Tensor, State | None]:
        """Return (y [B, T, D], final state or None); mask [B, T] zeroes padding, the rest is as in causal_conv1d."""
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        return causal_conv1d(
            x, self.weight[:, 0], self.bias, residual, cache, output_final_state, self.activation, cu_seqlens
        )

    def step(
        self, x: Tensor, residual: Tensor | None = None, cache: State | None = None, **_: object
    ) -> tuple[Tensor, State | None]:
        """Return (the output of one more step x [B, 1, D], the new state)."""
        return self(x, residual, cache=cache, output_final_state=True)
