"""Feature maps that a mixer may apply to its queries and keys."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor


def _elu1(x: Tensor) -> Tensor:
    """elu(x) + 1, positive everywhere (Katharopoulos et al. 2020, arXiv 2006.16236)."""
    return F.elu(x) + 1


def _relu_squared(x: Tensor) -> Tensor:
    """relu(x)^2 (So et al. 2021, arXiv 2109.08668)."""
    return F.relu(x).square()


def _softmax(x: Tensor) -> Tensor:
    """Softmax over the features (Shen et al. 2018, arXiv 1812.01243)."""
    return x.softmax(-1)


def _unit(x: Tensor) -> Tensor:
    """Scale x to length one: the delta rule needs unit keys (Yang et al. 2024, arXiv 2406.06484)."""
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
"""The feature maps by name; each maps [..., D] to [..., D]."""


def feature_map(x: Tensor, kind: str) -> Tensor:
    """Apply the feature map `kind` to x [..., D] and return [..., D].

    Raises ValueError if `kind` is not a key of FEATURE_MAPS.
    """
    if kind not in FEATURE_MAPS:
        raise ValueError(f"unknown feature map {kind!r}, expected one of {', '.join(FEATURE_MAPS)}")
    return FEATURE_MAPS[kind](x)
