"""The causal short convolution that most linear mixers apply to their queries, keys and values.

On a CPU a few taps are quicker as products of whole shifted tensors, with a hand-written backward, than as torch's
depthwise convolution. `benchmarks.kernels` compares the two at the sizes of small models.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.transforms import is_observed, is_transformed

_ACTIVATIONS = {None: lambda x: x, "silu": F.silu, "swish": F.silu}
_MAX_SHIFTED_TAPS = 8
"""Taps up to which shifted products are used."""


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Convolve each channel over time: y_t = activation(bias + sum_i weight[:, i] * x_{t - W + 1 + i}).

    x [B, T, D]; weight [D, W], whose last column applies to the present step; bias [D]. activation: None | "silu", also
    called "swish". initial_state [B, D, W - 1]: the inputs before the first step, zero if None. Returns (y [B, T, D],
    final state [B, D, W - 1] or None), so that a caller may feed a sequence in pieces. Raises ValueError for an unknown
    activation or wrong shapes. Source: the short convolution of H3 and Mamba (Gu & Dao 2023, arXiv 2312.00752).
    """
    _check(x, weight, activation, initial_state)
    before = weight.shape[1] - 1
    past = x.new_zeros(x.shape[0], before, x.shape[2]) if initial_state is None else initial_state.to(x.dtype).mT
    padded = torch.cat([past, x], dim=1)  # [B, W - 1 + T, D]
    y = _convolve(padded, weight)
    if bias is not None:
        y = y + bias
    final = padded[:, padded.shape[1] - before :].mT if output_final_state else None  # -before would fail for W = 1
    return _ACTIVATIONS[activation](y), final


def _check(x: Tensor, weight: Tensor, activation: str | None, initial_state: Tensor | None) -> None:
    if activation not in _ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}, expected None or 'silu'")
    if x.ndim != 3 or weight.ndim != 2 or weight.shape[0] != x.shape[2]:
        raise ValueError(f"expected x [B, T, D] and weight [D, W], got {list(x.shape)} and {list(weight.shape)}")
    expected = [x.shape[0], x.shape[2], weight.shape[1] - 1]
    if initial_state is not None and list(initial_state.shape) != expected:
        raise ValueError(f"initial_state has shape {list(initial_state.shape)}, expected {expected}")


def _convolve(padded: Tensor, weight: Tensor) -> Tensor:
    """Convolve [B, W - 1 + T, D] with [D, W] to [B, T, D]."""
    # An observer sees torch's convolution on every device, so a FLOP count does not depend on the device.
    traced = is_observed() or is_transformed(padded, weight)
    few_taps = weight.shape[1] <= _MAX_SHIFTED_TAPS
    if few_taps and padded.is_cpu and padded.dtype == weight.dtype and not traced:
        return _ShiftedProducts.apply(padded, weight)
    return F.conv1d(padded.mT, weight[:, None], groups=weight.shape[0]).mT


class _ShiftedProducts(torch.autograd.Function):
    """y_t = sum_i weight[:, i] * padded_{t + i}, tap by tap; shapes as in `_convolve`."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor) -> Tensor:
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
        """Add each step's gradient to the inputs in its window, and sum it over batch and time for each tap."""
        (d_y,) = gradients
        padded, taps = ctx.saved_tensors
        d_padded, d_taps = torch.zeros_like(padded), torch.empty_like(taps)
        for i in range(len(taps)):
            inputs = slice(i, i + d_y.shape[1])
            d_padded[:, inputs].addcmul_(d_y, taps[i])
            torch.sum(d_y * padded[:, inputs], dim=(0, 1), out=d_taps[i])
        return d_padded, d_taps.mT
