"""The causal short convolution that most linear mixers put before their queries, keys and values."""

import torch
import torch.nn.functional as F
from torch import Tensor

_ACTIVATIONS = {None: lambda x: x, "silu": F.silu, "swish": F.silu}


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
    y = F.conv1d(padded.mT, weight[:, None], bias, groups=width).mT
    final = padded[:, padded.shape[1] - reach :].mT if output_final_state else None
    return _ACTIVATIONS[activation](y), final
