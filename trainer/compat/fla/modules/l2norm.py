"""Vectors of length one."""

import torch
from torch import Tensor


def l2norm(x: Tensor, eps: float = 1e-6, output_dtype: torch.dtype | None = None) -> Tensor:
    """Return x [..., D] / sqrt(sum(x²) + eps)."""
    y = x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)
    return y if output_dtype is None else y.to(output_dtype)


l2_norm = l2norm
