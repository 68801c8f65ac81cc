"""The low-rank maps of RWKV's layers, which other layers import."""

import torch
from torch import Tensor, nn

from stand_ins.fla.modules.token_shift import token_delta

_ACTIVATIONS = {None: nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}


class LoRA(nn.Module):
    """A map of rank `low_rank_dim` with an activation in between; the inner map starts at zero.

    Raises ValueError for an unknown activation.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        low_rank_dim: int,
        bias: bool | None = True,
        activation: str | None = "tanh",
    ) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is none of tanh, sigmoid, relu")
        self.lora = nn.Sequential(
            nn.Linear(input_dim, low_rank_dim, bias=False),
            _ACTIVATIONS[activation](),
            nn.Linear(low_rank_dim, output_dim, bias=bool(bias)),
        )
        self._initialize_weights()

    def forward(self, x: Tensor) -> Tensor:
        """Map x [..., input_dim] to [..., output_dim]."""
        return self.lora(x)

    def set_bias_value(self, value: Tensor | float) -> None:
        """Set the outer bias [output_dim], from one value or from one for each output."""
        _, outer = self._maps()
        with torch.no_grad():
            outer.bias.copy_(torch.as_tensor(value).expand_as(outer.bias))

    def _initialize_weights(self, *_: nn.Module) -> None:
        """Set the inner weights to zero and draw orthogonal outer ones.

        The module that `Module.apply` passes is ignored.
        """
        inner, outer = self._maps()
        nn.init.zeros_(inner.weight)
        nn.init.orthogonal_(outer.weight, 0.1)

    def _maps(self) -> tuple[nn.Linear, nn.Linear]:
        """Return the inner map, from input to rank, and the outer one, from rank to output."""
        inner, outer = self.lora[0], self.lora[-1]
        assert isinstance(inner, nn.Linear)
        assert isinstance(outer, nn.Linear)
        return inner, outer


def _linear_map(input_dim: int, output_dim: int, low_rank_dim: int | None) -> nn.Module:
    """Return a linear map, of low rank if a rank is given."""
    if low_rank_dim is None:
        return nn.Linear(input_dim, output_dim, bias=False)
    return LoRA(input_dim, output_dim, low_rank_dim)


class LerpLinear(nn.Module):
    """A map of x + delta * mu with a learned mu; the map is linear or of low rank."""

    def __init__(self, input_dim: int, output_dim: int, low_rank_dim: int | None = None) -> None:
        super().__init__()
        self.linear = _linear_map(input_dim, output_dim, low_rank_dim)
        self.mu = nn.Parameter(torch.zeros(input_dim))

    def forward(self, x: Tensor, delta: Tensor | None = None) -> Tensor:
        """Map x [B, T, D]; delta is the previous position minus the present one."""
        delta = token_delta(x) if delta is None else delta
        return self.linear(x + delta * self.mu)


class DDLerpLinear(nn.Module):
    """A map of x + delta * mu with mu as an argument; the map is linear or of low rank."""

    def __init__(self, input_dim: int, output_dim: int, low_rank_dim: int | None = None) -> None:
        super().__init__()
        self.linear = _linear_map(input_dim, output_dim, low_rank_dim)

    def forward(self, x: Tensor, mu: Tensor, delta: Tensor | None = None) -> Tensor:
        """Map x [B, T, D]; delta is the previous position minus the present one."""
        delta = token_delta(x) if delta is None else delta
        return self.linear(x + delta * mu)
