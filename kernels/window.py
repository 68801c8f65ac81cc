"""Causal softmax attention over a sliding window, in blocks: the cost is T * window, not T * T.

Source: the sliding window of Longformer (Beltagy et al. 2020, arXiv 2004.05150), causal as in Mistral 7B (Jiang et al.
2023, arXiv 2310.06825).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_MIN_BLOCK_STEPS = 32


def window_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None = None) -> Tensor:
    """Attend from each step to itself and to the window - 1 steps before it.

    q [B, T, H, D]; k [B, T, Hkv, D] and v [B, T, Hkv, Dv] with H a multiple of Hkv. scale: defaults to D ** -0.5.
    Returns [B, T, H, Dv]. Raises ValueError if the window is below one step, shapes differ or H is no multiple of Hkv.
    """
    _check(q, k, v, window)
    groups = q.shape[2] // k.shape[2]
    if groups > 1:
        k, v = (x.repeat_interleave(groups, dim=2) for x in (k, v))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # [B, H, T, D]
    length = q.shape[2]
    block = max(window, _MIN_BLOCK_STEPS)
    if length <= block:
        return _attend(q, k, v, length, window, scale).transpose(1, 2)
    return _attend_in_blocks(q, k, v, window, block, scale)[:, :, :length].transpose(1, 2)


def _check(q: Tensor, k: Tensor, v: Tensor, window: int) -> None:
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    if q.ndim != 4 or k.ndim != 4 or q.shape[:2] != k.shape[:2] or k.shape[:3] != v.shape[:3]:
        raise ValueError(f"expected q, k, v [B, T, H, D], got {list(q.shape)}, {list(k.shape)}, {list(v.shape)}")
    if q.shape[2] % k.shape[2]:
        raise ValueError(f"query heads must be a multiple of key heads, got {q.shape[2]} and {k.shape[2]}")


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, window: int, block: int, scale: float | None) -> Tensor:
    """Attend from each block to itself and to the block before it, if there is one."""
    batch, heads = q.shape[:2]
    padding = -q.shape[2] % block
    if padding:
        q, k, v = (F.pad(x, (0, 0, 0, padding)) for x in (q, k, v))
    head = _attend(q[:, :, :block], k[:, :, :block], v[:, :, :block], block, window, scale)
    queries = q[:, :, block:].unflatten(2, (-1, block)).flatten(1, 2)  # [B, H * (n - 1), block, D]
    keys, values = (_neighbour_pairs(x, block) for x in (k, v))
    mask = _band_mask(block, 2 * block, window, q.device)
    tail = F.scaled_dot_product_attention(queries, keys, values, mask, scale=scale)
    return torch.cat([head, tail.reshape(batch, heads, -1, v.shape[-1])], dim=2)


def _neighbour_pairs(x: Tensor, block: int) -> Tensor:
    """[B, H, n * block, D] -> [B, H * (n - 1), 2 * block, D]: every block but the first, after its predecessor."""
    blocks = x.unflatten(2, (-1, block))
    return torch.cat([blocks[:, :, :-1], blocks[:, :, 1:]], dim=3).flatten(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, length: int, window: int, scale: float | None) -> Tensor:
    """Compute plain attention for at most one block."""
    if window >= length:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    return F.scaled_dot_product_attention(q, k, v, _band_mask(length, length, window, q.device), scale=scale)


def _band_mask(rows: int, columns: int, window: int, device: torch.device) -> Tensor:
    """Mask [rows, columns] of 0 <= distance < window; the rows are the last `rows` of `columns` positions."""
    row = torch.arange(columns - rows, columns, device=device)[:, None]
    distance = row - torch.arange(columns, device=device)
    return (distance >= 0) & (distance < window)
