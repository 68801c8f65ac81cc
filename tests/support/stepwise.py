"""Operators computed by their definitions, one step at a time: the reference for the stand-in's operators."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BATCH, LENGTH, HEADS, WIDTH, VALUES = 2, 7, 2, 4, 3
QUERY_SCALE = WIDTH**-0.5
"""The factor by which fla scales queries."""
Steps = dict[str, Tensor]
"""The inputs of a definition by name, [B, T, H, ...]."""


def stepwise(x: Steps, step: Callable[[Any, dict[str, Tensor]], tuple[Any, Tensor]], state: Any = None) -> Tensor:
    """Apply a step of a definition at every position, [B, T, ...]; tensors of two axes have no time axis."""
    outputs = []
    for t in range(LENGTH):
        state, o = step(state, {name: value[:, t] if value.ndim > 2 else value for name, value in x.items()})
        outputs.append(o)
    return torch.stack(outputs, 1)


def read(state: Tensor, q: Tensor) -> Tensor:
    """Return Sᵀ q."""
    return torch.einsum("bhkv,bhk->bhv", state, q)


def outer(k: Tensor, v: Tensor) -> Tensor:
    """Return k vᵀ."""
    return k[..., :, None] * v[..., None, :]


def empty() -> Tensor:
    """Return a state of zeros, [B, H, K, V]."""
    return torch.zeros(BATCH, HEADS, WIDTH, VALUES).double()
