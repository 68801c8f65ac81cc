"""Activations by name."""

import torch.nn.functional as F
from torch import Tensor


def swiglu(x: Tensor, y: Tensor) -> Tensor:
    """Return silu(x) * y."""
    return F.silu(x) * y


def sqrelu(x: Tensor) -> Tensor:
    """Return relu(x)²."""
    return F.relu(x).square()


swish = silu = F.silu
ACT2FN = {
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "sigmoid": F.sigmoid,
    "logsigmoid": F.logsigmoid,
    "gelu": F.gelu,
    "sqrelu": sqrelu,
    "swiglu": swiglu,
}
