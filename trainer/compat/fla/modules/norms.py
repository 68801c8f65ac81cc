"""Norms over the last axis, with the optional residual that fla fuses into them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GATES = {"swish": F.silu, "silu": F.silu, "sigmoid": torch.sigmoid}


def normalised(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Return x [..., D] / rms(x) * weight + bias, in its own dtype, computed in single precision at least."""
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
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the normalised sum of x [..., D] and the residual; with `prenorm` the sum as well."""
        summed = x if residual is None else x + residual
        y = self._normalised(summed)
        return (y, summed.float() if residual_in_fp32 else summed) if prenorm else y

    def _normalised(self, x: Tensor) -> Tensor:
        """Return x normalised, in its own dtype."""
        return normalised(x, self.weight, self.bias, self.eps)


class LayerNorm(RMSNorm):
    """(x - mean(x)) / std(x) * weight + bias."""

    def _normalised(self, x: Tensor) -> Tensor:
        """Return x normalised, in its own dtype."""
        return F.layer_norm(x, (self.hidden_size,), self.weight, self.bias, self.eps)


class FusedRMSNormGated(RMSNorm):
    """RMSNorm, then times an activation of a gate."""

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
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return norm(x + residual) * activation(g); x and g [..., D]."""
        summed = x if residual is None else x + residual
        y = (self._normalised(summed) * _GATES[self.activation](g)).to(x.dtype)
        return (y, summed.float() if residual_in_fp32 else summed) if prenorm else y


FusedRMSNormSwishGate = FusedRMSNormGated
