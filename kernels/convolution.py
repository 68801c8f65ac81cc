"""The causal short convolution that most linear mixers put before their queries, keys and values.

On a CPU a handful of taps is quicker as that many multiplications of whole shifted tensors, with a backward written by
hand, than as a depthwise convolution of the library; `benchmarks.kernels` compares them at the sizes of small models.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.transforms import is_observed, is_transformed

_ACTIVATIONS = {None: lambda x: x, "silu": F.silu, "swish": F.silu}
_FEW_TAPS = 8


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Depthwise convolution over time: y_t = activation(bias + sum_i weight[:, i] * x_{t - W + 1 + i}).

    x [B, T, D]; weight [D, W], its last column acts on the present step; bias [D]; activation None | "silu".
    initial_state [B, D, W - 1]: the inputs before the first step, zero where None. Returns (y [B, T, D], final state
    [B, D, W - 1] or None), so that a sequence may be fed in pieces or token by token. Raises ValueError.
    """
    if activation not in _ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}, expected None or 'silu'")
    if x.ndim != 3 or weight.ndim != 2 or weight.shape[0] != x.shape[2]:
        raise ValueError(f"expected x [B, T, D] and weight [D, W], got {list(x.shape)} and {list(weight.shape)}")
    batch, _, width = x.shape
    reach = weight.shape[1] - 1
    if initial_state is not None and tuple(initial_state.shape) != (batch, width, reach):
        raise ValueError(f"initial_state has shape {list(initial_state.shape)}, expected {[batch, width, reach]}")
    past = x.new_zeros(batch, reach, width) if initial_state is None else initial_state.to(x.dtype).mT
    padded = torch.cat([past, x], dim=1)  # [B, W - 1 + T, D]
    y = _convolve(padded, weight)
    if bias is not None:
        y = y + bias
    final = padded[:, padded.shape[1] - reach :].mT if output_final_state else None
    return _ACTIVATIONS[activation](y), final


def _convolve(padded: Tensor, weight: Tensor) -> Tensor:
    """Convolve [B, W - 1 + T, D] with [D, W] to [B, T, D]."""
    # Where operations are counted it is the library's: a count doesn't depend on the device.
    looked_into = is_observed() or is_transformed(padded, weight)
    by_hand = padded.is_cpu and padded.dtype == weight.dtype and not looked_into
    if by_hand and weight.shape[1] <= _FEW_TAPS:
        return _ShiftedProducts.apply(padded, weight)
    return F.conv1d(padded.mT, weight[:, None], groups=weight.shape[0]).mT


class _ShiftedProducts(torch.autograd.Function):
    """y_t = sum_i weight[:, i] * padded_{t + i}, tap by tap."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor) -> Tensor:
        """Add up one product a tap."""
        taps = weight.mT.contiguous()  # [W, D]
        length = padded.shape[1] - len(taps) + 1
        y = padded[:, :length] * taps[0]
        for i in range(1, len(taps)):
            y.addcmul_(padded[:, i : i + length], taps[i])
        ctx.save_for_backward(padded, taps)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Spread the slope over what each step saw, and sum it over batch and time for each tap."""
        (slope,) = gradients
        padded, taps = ctx.saved_tensors
        d_padded, d_taps = torch.zeros_like(padded), torch.empty_like(taps)
        for i in range(len(taps)):
            seen = slice(i, i + slope.shape[1])
            d_padded[:, seen].addcmul_(slope, taps[i])
            torch.sum(slope * padded[:, seen], dim=(0, 1), out=d_taps[i])
        return d_padded, d_taps.mT
