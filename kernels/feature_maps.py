"""Feature maps that a mixer may put on its queries and keys."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor


def _elu1(x: Tensor) -> Tensor:
    """elu(x) + 1, positive everywhere (Katharopoulos et al., 2020)."""
    return F.elu(x) + 1


def _relu_squared(x: Tensor) -> Tensor:
    """relu(x)^2."""
    return F.relu(x).square()


def _softmax(x: Tensor) -> Tensor:
    """Softmax over the features."""
    return x.softmax(-1)


def _unit(x: Tensor) -> Tensor:
    """X / |x|: what the delta rule wants of its keys."""
    return F.normalize(x, dim=-1, eps=1e-6)


FEATURE_MAPS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "identity": lambda x: x,
        "elu1": _elu1,
        "relu": F.relu,
        "relu_squared": _relu_squared,
        "silu": F.silu,
        "sigmoid": torch.sigmoid,
        "softplus": F.softplus,
        "softmax": _softmax,
        "unit": _unit,
    }
)
"""The kinds `feature_map` knows, by name."""


def feature_map(x: Tensor, kind: str) -> Tensor:
    """Apply the feature map `kind` (a key of FEATURE_MAPS) to x [..., D]; the shape is kept. Raises ValueError."""
    if kind not in FEATURE_MAPS:
        raise ValueError(f"unknown feature map {kind!r}, expected one of {', '.join(FEATURE_MAPS)}")
    return FEATURE_MAPS[kind](x)
