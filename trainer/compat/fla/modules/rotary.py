"""Rotary position embedding."""

import torch
from torch import Tensor, nn

from kernels import rotary


class RotaryEmbedding(nn.Module):
    """Rotates queries and keys by their positions; no parameters."""

    def __init__(
        self, dim: int, base: float = 10000.0, scale_base: float | None = None, interleaved: bool = False, **_: object
    ) -> None:
        super().__init__()
        if scale_base is not None or interleaved:
            raise ValueError("the stand-in for fla's RotaryEmbedding knows neither scale_base nor interleaved pairs")
        self.dim, self.base = dim, base

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        seqlen_offset: int | Tensor = 0,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,  # noqa: ARG002 (fla sizes its cache of angles by it)
    ) -> tuple[Tensor, Tensor]:
        """Return q, k [B, T, H, D] rotated in their first `dim` channels, from position `seqlen_offset` on."""
        positions = _positions(q.shape[1], seqlen_offset, cu_seqlens, q.device)
        turned = rotary(q[..., : self.dim], k[..., : self.dim], positions, base=self.base)
        return tuple(torch.cat([new, old[..., self.dim :]], -1) for new, old in zip(turned, (q, k), strict=True))  # type: ignore[return-value]


def _positions(length: int, offset: int | Tensor, cu_seqlens: Tensor | None, device: torch.device) -> Tensor:
    """Return positions [T] or [B, T]; packed sequences each count from zero."""
    steps = torch.arange(length, device=device)
    if cu_seqlens is not None:
        steps = steps - cu_seqlens[torch.searchsorted(cu_seqlens, steps, right=True) - 1]
    return steps + (offset[:, None] if isinstance(offset, Tensor) and offset.ndim else offset)
