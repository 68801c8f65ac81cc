"""An operator's definition, one step at a time: what tests of the stand-in's operators hold them against."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BATCH, LENGTH, HEADS, WIDTH, VALUES = 2, 7, 2, 4, 3
ROOT = WIDTH**-0.5
"""How fla scales queries."""
Steps = dict[str, Tensor]
"""What a definition takes, [B, T, H, ...]."""


def stepwise(x: Steps, step: Callable[[Any, dict[str, Tensor]], tuple[Any, Tensor]], state: Any = None) -> Tensor:
    """Go through time with a step of a definition; time is the second axis of all tensors that have more than two."""
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
    """Return a state that holds nothing."""
    return torch.zeros(BATCH, HEADS, WIDTH, VALUES).double()
