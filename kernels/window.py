"""Causal softmax attention over a sliding window, in blocks: cost T * window, never T * T."""

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST_BLOCK = 32


def window_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None = None) -> Tensor:
    """Each step attends to itself and the window - 1 steps before it.

    q [B, T, H, D]; k, v [B, T, Hkv, D] with H a multiple of Hkv. Returns [B, T, H, Dv]. scale defaults to D ** -0.5.
    Raises ValueError for a window below one or heads that do not divide.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    if q.ndim != 4 or k.ndim != 4 or q.shape[:2] != k.shape[:2] or k.shape[:3] != v.shape[:3]:
        raise ValueError(f"expected q, k, v [B, T, H, D], got {list(q.shape)}, {list(k.shape)}, {list(v.shape)}")
    if q.shape[2] % k.shape[2]:
        raise ValueError(f"{q.shape[2]} query heads do not divide by {k.shape[2]} key heads")
    groups = q.shape[2] // k.shape[2]
    if groups > 1:
        k, v = (x.repeat_interleave(groups, dim=2) for x in (k, v))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # [B, H, T, D]
    length = q.shape[2]
    block = max(window, _SMALLEST_BLOCK)
    if length <= block:
        return _masked(q, k, v, length, window, scale).transpose(1, 2)
    return _blocked(q, k, v, window, block, scale)[:, :, :length].transpose(1, 2)


def _blocked(q: Tensor, k: Tensor, v: Tensor, window: int, block: int, scale: float | None) -> Tensor:
    """Each block attends to itself and the block before it; the first block has nothing before it."""
    batch, heads = q.shape[:2]
    missing = -q.shape[2] % block
    if missing:
        q, k, v = (F.pad(x, (0, 0, 0, missing)) for x in (q, k, v))
    head = _masked(q[:, :, :block], k[:, :, :block], v[:, :, :block], block, window, scale)
    queries = q[:, :, block:].unflatten(2, (-1, block)).flatten(1, 2)  # [B, H * (n - 1), block, D]
    keys, values = (_pairs(x, block) for x in (k, v))
    tail = F.scaled_dot_product_attention(queries, keys, values, _band(block, 2 * block, window, q.device), scale=scale)
    return torch.cat([head, tail.reshape(batch, heads, -1, v.shape[-1])], dim=2)


def _pairs(x: Tensor, block: int) -> Tensor:
    """[B, H, n * block, D] -> [B, H * (n - 1), 2 * block, D]: every block but the first, preceded by its neighbour."""
    blocks = x.unflatten(2, (-1, block))
    return torch.cat([blocks[:, :, :-1], blocks[:, :, 1:]], dim=3).flatten(1, 2)


def _masked(q: Tensor, k: Tensor, v: Tensor, length: int, window: int, scale: float | None) -> Tensor:
    """Plain attention for at most one block."""
    if window >= length:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    return F.scaled_dot_product_attention(q, k, v, _band(length, length, window, q.device), scale=scale)


def _band(rows: int, columns: int, window: int, device: torch.device) -> Tensor:
    """Which of the last `rows` of `columns` positions see which: 0 <= distance < window, [rows, columns]."""
    row = torch.arange(columns - rows, columns, device=device)[:, None]
    distance = row - torch.arange(columns, device=device)
    return (distance >= 0) & (distance < window)
