"""fla.modules.layernorm, by its own module name."""

import torch.nn.functional as F
from torch import Tensor

from trainer.compat.fla.modules.norms import LayerNorm, RMSNorm, normalised

__all__ = ["LayerNorm", "RMSNorm", "rms_norm", "rms_norm_linear"]


def rms_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None = None, eps: float = 1e-5, **_: object) -> Tensor:
    """Return x [..., D] / rms(x) * weight + bias."""
    return normalised(x, weight, bias, eps)


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
    return F.linear(normalised(x, norm_weight, norm_bias, eps), linear_weight, linear_bias)
