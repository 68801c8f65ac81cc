"""Norms that multiply by an activated gate, before normalising or after it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.modules.norms import LayerNorm, Output, RMSNorm, normalise

_GATES = {"swish": F.silu, "silu": F.silu, "sigmoid": torch.sigmoid}


class FusedRMSNormGated(RMSNorm):
    """RMSNorm, then multiplied by an activated gate."""

    def __init__(
        self,
        hidden_size: int,
        elementwise_affine: bool = True,
        eps: float = 1e-5,
        activation: str = "swish",
        **_: object,
    ) -> None:
        super().__init__(hidden_size, elementwise_affine, eps=eps)
        if activation not in _GATES:
            raise ValueError(f"activation {activation!r} is none of {', '.join(_GATES)}")
        self.activation = activation

    def forward(  # type: ignore[override] (fla's own order of arguments)
        self,
        x: Tensor,
        g: Tensor,
        residual: Tensor | None = None,
        prenorm: bool = False,
        residual_in_fp32: bool = False,
    ) -> Output:
        """Return norm(x + residual) * activation(g); x and g [..., D]."""
        y, summed = super().forward(x, residual, prenorm=True, residual_in_fp32=residual_in_fp32)
        gated = (y * _GATES[self.activation](g)).to(x.dtype)
        return (gated, summed) if prenorm else gated


class FusedLayerNormGated(FusedRMSNormGated, LayerNorm):  # type: ignore[override] (the gate is an argument)
    """LayerNorm, then multiplied by an activated gate."""


FusedRMSNormSwishGate, FusedLayerNormSwishGate = FusedRMSNormGated, FusedLayerNormGated


class FusedRMSNormSwishGateLinear(FusedRMSNormGated):
    """RMSNorm, then multiplied by an activated gate, then a linear map of the caller's weights."""

    def forward(  # type: ignore[override] (fla's own order of arguments)
        self,
        x: Tensor,
        g: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
        prenorm: bool = False,
        residual_in_fp32: bool = False,
    ) -> Output:
        """Return the linear map, by weight and bias, of norm(x + residual) * activation(g)."""
        y, summed = super().forward(x, g, residual, prenorm=True, residual_in_fp32=residual_in_fp32)
        o = F.linear(y, weight, bias)
        return (o, summed) if prenorm else o


class RMSNormGated(nn.Module):
    """Mamba-2's norm: multiplies by silu of a gate before or after normalising groups by their root mean square."""

    def __init__(
        self,
        hidden_size: int,
        eps: float = 1e-5,
        group_size: int | None = None,
        norm_before_gate: bool = True,
        **_: object,
    ) -> None:
        super().__init__()
        self.eps, self.group_size, self.norm_before_gate = eps, group_size, norm_before_gate
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.bias = None

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Return x [..., D] normalised and gated by z [..., D]."""
        return rmsnorm_fn(x, self.weight, None, z, self.eps, self.group_size, self.norm_before_gate)


def rmsnorm_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    z: Tensor | None = None,
    eps: float = 1e-6,
    group_size: int | None = None,
    norm_before_gate: bool = True,
) -> Tensor:
    """Return norm(x) * weight * silu(z), or norm(x * silu(z)) * weight; the norm is over groups of `group_size`."""
    if z is not None and not norm_before_gate:
        x = x * F.silu(z)
    y = normalise(x.unflatten(-1, (-1, group_size or x.shape[-1])), None, None, eps).flatten(-2) * weight
    y = y if bias is None else y + bias
    return (y * F.silu(z) if z is not None and norm_before_gate else y).to(x.dtype)


def rms_norm_gated(
    x: Tensor,
    g: Tensor,
    weight: Tensor | None,
    bias: Tensor | None = None,
    activation: str = "swish",
    eps: float = 1e-6,
    **_: object,
) -> Tensor:
    """Return norm(x) * weight * activation(g) for x, g [..., D]."""
    return (normalise(x, weight, bias, eps) * _GATES[activation](g)).to(x.dtype)


def rms_norm_swish_gate_linear(
    x: Tensor,
    g: Tensor,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    linear_weight: Tensor,
    linear_bias: Tensor | None = None,
    eps: float = 1e-6,
    **_: object,
) -> Tensor:
    """Return a linear map of norm(x) * weight * silu(g)."""
    return F.linear(rms_norm_gated(x, g, norm_weight, norm_bias, eps=eps), linear_weight, linear_bias)
