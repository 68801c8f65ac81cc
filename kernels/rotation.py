"""Rotary position embedding: the angle between two positions depends on their distance only.

Source: RoFormer (Su et al. 2021, arXiv 2104.09864), with the pairs (x_i, x_{i + D/2}) of GPT-NeoX.
"""

import torch
from torch import Tensor


def rotary(
    q: Tensor, k: Tensor, positions: Tensor | None = None, *, offset: int = 0, base: float = 10000.0
) -> tuple[Tensor, Tensor]:
    """Rotate the pairs (x_i, x_{i + D/2}) of q and k by the angle position * base^(-2i / D), in radians.

    q, k [B, T, H, D] with D even; their head counts may differ. positions: [T] or [B, T]; by default offset,
    offset + 1, ... Returns the rotated (q, k) in their dtypes. Raises ValueError if D is odd, or if q, k and positions
    disagree in shape.
    """
    width = q.shape[-1]
    if width % 2 or k.shape[-1] != width or q.shape[:2] != k.shape[:2]:
        raise ValueError(f"expected q, k [B, T, H, D] with D even, got {list(q.shape)} and {list(k.shape)}")
    if positions is None:
        positions = torch.arange(offset, offset + q.shape[1], device=q.device)
    if tuple(positions.shape) not in ((q.shape[1],), tuple(q.shape[:2])):
        raise ValueError(f"positions has shape {list(positions.shape)}, expected [T] or [B, T] of q {list(q.shape)}")
    frequencies = base ** (-torch.arange(0, width, 2, device=q.device, dtype=torch.float64) / width)
    angles = positions[..., None].double() * frequencies  # [(B,) T, D / 2]
    cosine, sine = (f(angles).unsqueeze(-2) for f in (torch.cos, torch.sin))
    return _rotate(q, cosine, sine), _rotate(k, cosine, sine)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the halves of x [B, T, H, D] by cosine and sine [(B,) T, 1, D / 2]."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
