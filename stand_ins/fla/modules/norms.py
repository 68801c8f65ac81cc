"""Norms over the last axis or over groups of it, with the optional residual that fla fuses into them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Output = Tensor | tuple[Tensor, Tensor]
"""The normalised tensor; with `prenorm` also the sum before normalising."""


def normalise(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Return x [..., D] / rms(x) * weight + bias in the dtype of x, computed in at least single precision."""
    wide = x if x.dtype == torch.float64 else x.float()
    y = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias).to(x.dtype)


class RMSNorm(nn.Module):
    """x / rms(x) * weight + bias."""

    def __init__(
        self, hidden_size: int, elementwise_affine: bool = True, bias: bool = False, eps: float = 1e-5, **_: object
    ) -> None:
        super().__init__()
        self.hidden_size, self.eps = hidden_size, eps
        self.weight = nn.Parameter(torch.ones(hidden_size)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros(hidden_size)) if elementwise_affine and bias else None

    def forward(
        self, x: Tensor, residual: Tensor | None = None, prenorm: bool = False, residual_in_fp32: bool = False
    ) -> Output:
        """Return the normalised sum of x [..., D] and the residual; with `prenorm` also the sum."""
        summed = x if residual is None else x + residual
        y = self._normalise(summed)
        return (y, summed.float() if residual_in_fp32 else summed) if prenorm else y

    def reset_parameters(self) -> None:
        """Set weights to one and biases to zero."""
        with torch.no_grad():
            for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
                if parameter is not None:
                    parameter.fill_(value)

    def _normalise(self, x: Tensor) -> Tensor:
        """Return x normalised, in the dtype of x."""
        return normalise(x, self.weight, self.bias, self.eps)


class LayerNorm(RMSNorm):
    """(x - mean(x)) / std(x) * weight + bias."""

    def _normalise(self, x: Tensor) -> Tensor:
        """Return x normalised, in the dtype of x."""
        return F.layer_norm(x, (self.hidden_size,), self.weight, self.bias, self.eps)


class GroupNorm(RMSNorm):
    """A norm of each group of channels, as in LayerNorm or by the root mean square alone."""

    def __init__(
        self,
        num_groups: int,
        hidden_size: int,
        elementwise_affine: bool = True,
        bias: bool = False,
        eps: float = 1e-5,
        is_rms_norm: bool = False,
        **_: object,
    ) -> None:
        super().__init__(hidden_size, elementwise_affine, bias, eps)
        if hidden_size % num_groups:
            raise ValueError(f"{hidden_size} channels can't be split into {num_groups} groups")
        self.num_groups, self.is_rms_norm = num_groups, is_rms_norm

    def _normalise(self, x: Tensor) -> Tensor:
        """Return x normalised, in the dtype of x."""
        grouped = x.unflatten(-1, (self.num_groups, -1))
        if self.is_rms_norm:
            y = normalise(grouped, None, None, self.eps)
        else:
            y = F.layer_norm(grouped, grouped.shape[-1:], eps=self.eps)
        y = y.flatten(-2)
        y = y if self.weight is None else y * self.weight
        return (y if self.bias is None else y + self.bias).to(x.dtype)


class _Linear(nn.Module):
    """A norm, then a linear map of the caller's weights."""

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
        prenorm: bool = False,
        residual_in_fp32: bool = False,
    ) -> Output:
        """Return the linear map, by weight and bias, of the normalised x [..., D]."""
        y, summed = super().forward(x, residual, prenorm=True, residual_in_fp32=residual_in_fp32)  # type: ignore[call-arg]
        o = F.linear(y, weight, bias)
        return (o, summed) if prenorm else o


class RMSNormLinear(_Linear, RMSNorm):  # type: ignore[override] (the weights are arguments)
    """RMSNorm, then a linear map."""


class LayerNormLinear(_Linear, LayerNorm):  # type: ignore[override] (the same)
    """LayerNorm, then a linear map."""


class GroupNormLinear(_Linear, GroupNorm):  # type: ignore[override] (the same)
    """GroupNorm, then a linear map."""


def rms_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None = None, eps: float = 1e-5, **_: object) -> Tensor:
    """Return x [..., D] / rms(x) * weight + bias."""
    return normalise(x, weight, bias, eps)


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None = None, eps: float = 1e-5, **_: object) -> Tensor:
    """Return (x - mean(x)) / std(x) * weight + bias for x [..., D]."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


def rms_norm_linear(
    x: Tensor,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    eps: float = 1e-5,
    **_: object,
) -> Tensor:
    """Return a linear map of the normalised x [..., D]."""
    return F.linear(normalise(x, norm_weight, norm_bias, eps), linear_weight, linear_bias)
