"""The token shift of RWKV: the previous position minus the present one."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def token_delta(x: Tensor) -> Tensor:
    """Return x_{t-1} - x_t for x [B, T, D], with zeros before the first position."""
    return F.pad(x, (0, 0, 1, -1)) - x


def token_shift(
    x: Tensor,
    cu_seqlens: Tensor | None = None,
    cache: Tensor | None = None,
    output_cache: bool = False,
    **_: object,
) -> Any:
    """Return x_{t-1} - x_t for x [B, T, D]; with `output_cache` also the last positions [B, D].

    cache [N, D] holds the positions before the first ones; cu_seqlens [N + 1] are the offsets of packed sequences.
    """
    bounds = [0, x.shape[1]] if cu_seqlens is None else cu_seqlens.tolist()
    pieces = [token_delta(x[:, start:end]) for start, end in pairwise(bounds)]
    delta, starts = torch.cat(pieces, 1), bounds[:-1]
    if cache is not None:
        before = cache.reshape(-1, x.shape[-1])
        first = torch.zeros_like(delta)
        if cu_seqlens is None:
            first[:, 0] = before
        else:
            first[0, starts] = before
        delta = delta + first
    if not output_cache:
        return delta
    last = x[:, -1] if cu_seqlens is None else x[0, [end - 1 for end in bounds[1:]]]
    return delta, last


class TokenShift(nn.Module):
    """token_shift as a module; no parameters."""

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        """Return x_{t-1} - x_t for x [B, T, D]."""
        return token_shift(x, cu_seqlens)
