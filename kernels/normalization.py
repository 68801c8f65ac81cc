"""Root-mean-square normalisation with an optional gate, for the output of a mixer.

Source: RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467); the gate as in RetNet (Sun et al. 2023, arXiv 2307.08621).
"""

import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor | None, gate: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Compute x / sqrt(mean(x^2) + eps) * weight, and multiply it by silu(gate) if there is a gate.

    x [..., D]; weight [D] or None; gate [..., D] or None. Returns [..., D]. Raises ValueError for other shapes.
    """
    if weight is not None and tuple(weight.shape) != (x.shape[-1],):
        raise ValueError(f"weight has shape {list(weight.shape)}, expected [{x.shape[-1]}]")
    if gate is not None and gate.shape != x.shape:
        raise ValueError(f"gate has shape {list(gate.shape)}, expected {list(x.shape)}")
    y = F.rms_norm(x, (x.shape[-1],), weight, eps)
    return y if gate is None else y * F.silu(gate)
