"""Root-mean-square normalisation, optionally gated, as the mixers' output stage uses it."""

import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor | None, gate: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """X / sqrt(mean(x^2) + eps) * weight, times silu(gate) where a gate is given.

    x [..., D]; weight [D] or None; gate like x. Returns a tensor like x. Raises ValueError for other shapes.
    """
    if weight is not None and tuple(weight.shape) != (x.shape[-1],):
        raise ValueError(f"weight has shape {list(weight.shape)}, expected [{x.shape[-1]}]")
    if gate is not None and gate.shape != x.shape:
        raise ValueError(f"gate has shape {list(gate.shape)}, expected {list(x.shape)}")
    y = F.rms_norm(x, (x.shape[-1],), weight, eps)
    return y if gate is None else y * F.silu(gate)
