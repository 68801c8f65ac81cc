"""fla's activations by fla's names; all are elementwise except `sum_norm`."""

import torch
import torch.nn.functional as F
from torch import Tensor


def swiglu(x: Tensor, y: Tensor) -> Tensor:
    """Return silu(x) * y."""
    return F.silu(x) * y


def swiglu_linear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return a linear map of silu(x) * y: x, y [..., D] and weight [E, D] to [..., E]."""
    return F.linear(swiglu(x, y), weight, bias)


def sqrelu(x: Tensor) -> Tensor:
    """Return relu(x)²."""
    return F.relu(x).square()


def fast_gelu_impl(x: Tensor) -> Tensor:
    """Return gelu(x) by its tanh approximation."""
    return F.gelu(x, approximate="tanh")


def elu_p1(x: Tensor) -> Tensor:
    """Return elu(x) + 1."""
    return F.elu(x) + 1


def sum_norm(x: Tensor) -> Tensor:
    """Return x [..., D] divided by its sum."""
    return x / x.sum(-1, keepdim=True)


def logsigmoid(x: Tensor, temperature: float = 1.0) -> Tensor:
    """Return log(sigmoid(x)) / temperature."""
    return F.logsigmoid(x) / temperature


swish = silu = F.silu
sigmoid, gelu, relu, softplus = torch.sigmoid, F.gelu, F.relu, F.softplus
ACT2FN = {
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "sigmoid": torch.sigmoid,
    "logsigmoid": logsigmoid,
    "gelu": fast_gelu_impl,
    "sqrelu": sqrelu,
    "swiglu": swiglu,
}
"""The activations that fla's layers take by name; `swiglu` alone takes two tensors."""
