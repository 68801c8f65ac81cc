"""The L2 norm: vectors scaled to length one."""

import torch
from torch import Tensor, nn


def l2norm(x: Tensor, eps: float = 1e-6, output_dtype: torch.dtype | None = None) -> Tensor:
    """Return x [..., D] / sqrt(sum(x²) + eps)."""
    y = x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)
    return y if output_dtype is None else y.to(output_dtype)


l2_norm = l2norm


class L2Norm(nn.Module):
    """l2norm as a module; no parameters."""

    def __init__(self, eps: float = 1e-6, output_dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.eps, self.output_dtype = eps, output_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Return x [..., D] scaled to length one."""
        return l2norm(x, self.eps, self.output_dtype)
