"""Rotary position embedding."""

import torch
from torch import Tensor, nn

from kernels import rotary


class RotaryEmbedding(nn.Module):
    """Rotates queries and keys by their positions; no parameters. Raises ValueError for a `scale_base`."""

    def __init__(
        self, dim: int, base: float = 10000.0, scale_base: float | None = None, interleaved: bool = False, **_: object
    ) -> None:
        super().__init__()
        if scale_base is not None:
            raise ValueError("the stand-in for fla's RotaryEmbedding has no scale_base")
        self.dim, self.base, self.interleaved = dim, base, interleaved

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        seqlen_offset: int | Tensor = 0,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,  # noqa: ARG002 (fla sizes its cache of angles by it)
    ) -> tuple[Tensor, Tensor]:
        """Return q, k [B, T, H, D] rotated in their first `dim` channels; the first position is `seqlen_offset`."""
        positions = _positions(q.shape[1], seqlen_offset, cu_seqlens, q.device)
        rotated_q, rotated_k = rotary(self._channels(q), self._channels(k), positions, base=self.base)
        return self._with_channels(q, rotated_q), self._with_channels(k, rotated_k)

    def _channels(self, x: Tensor) -> Tensor:
        """Return the first `dim` channels of x [B, T, H, D], in the order of `rotary`."""
        channels = x[..., : self.dim]
        return _halves(channels) if self.interleaved else channels

    def _with_channels(self, x: Tensor, channels: Tensor) -> Tensor:
        """Return x [B, T, H, D] with other channels in place of `_channels(x)`."""
        return torch.cat([_pairs(channels) if self.interleaved else channels, x[..., self.dim :]], -1)


def rotary_embedding(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False, **_: object) -> Tensor:
    """Rotate x [B, T, H, D] by tables of cosines and sines [T, R / 2] in its first R channels."""
    width, length = 2 * cos.shape[-1], x.shape[1]
    channels = _halves(x[..., :width]) if interleaved else x[..., :width]
    first, second = channels.chunk(2, -1)
    cos, sin = cos[:length, None], sin[:length, None]
    rotated = torch.cat([first * cos - second * sin, first * sin + second * cos], -1)
    return torch.cat([_pairs(rotated) if interleaved else rotated, x[..., width:]], -1)


def _halves(x: Tensor) -> Tensor:
    """Return x [..., D] with its channels in the order 0, 2, 4 ... 1, 3, 5 ..., from interleaved pairs to halves."""
    return torch.cat([x[..., ::2], x[..., 1::2]], -1)


def _pairs(x: Tensor) -> Tensor:
    """Return x [..., D] from halves to interleaved pairs: the inverse of `_halves`."""
    return torch.stack(x.chunk(2, -1), -1).flatten(-2)


def _positions(length: int, offset: int | Tensor, cu_seqlens: Tensor | None, device: torch.device) -> Tensor:
    """Return positions [T] or [B, T]; each packed sequence counts from its own offset [N], or from a common one."""
    steps = torch.arange(length, device=device)
    offset = torch.as_tensor(offset, device=device)
    if cu_seqlens is None:
        return steps + (offset[:, None] if offset.ndim else offset)
    sequence = torch.searchsorted(cu_seqlens, steps, right=True) - 1
    return steps - cu_seqlens[sequence] + (offset[sequence] if offset.ndim else offset)
