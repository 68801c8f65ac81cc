"""A stand-in for the names of `flash_attn` that layer files import: softmax attention, q, k, v [B, T, H, D]."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import window_attention
from stand_ins.packed_sequences import get_unpad_data, index_first_axis, pad_input

__all__ = ["flash_attn_func", "flash_attn_varlen_func", "index_first_axis", "pad_input", "unpad_input"]


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    **_: Any,
) -> Tensor:
    """Return attention [B, T, H, D]; with `causal`, the last query sees the last key, also if there are more keys."""
    if causal and window_size[0] >= 0 and q.shape[1] == k.shape[1]:
        return window_attention(q, k, v, window_size[0] + 1, softmax_scale)
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)))
    visible = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device)
    visible = visible.tril(k.shape[2] - q.shape[2]) if causal else visible
    visible = visible.triu(k.shape[2] - q.shape[2] - window_size[0]) if window_size[0] >= 0 else visible
    o = F.scaled_dot_product_attention(q, k, v, visible, dropout_p, scale=softmax_scale)
    return o.transpose(1, 2)


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,  # noqa: ARG001 (only kernels are sized by these)
    max_seqlen_k: int,  # noqa: ARG001
    **more: Any,
) -> Tensor:
    """Return attention [N, H, D] within each of the sequences packed along the first axis, q, k, v [N, H, D]."""
    bounds = zip(pairwise(cu_seqlens_q.tolist()), pairwise(cu_seqlens_k.tolist()), strict=True)
    return torch.cat(
        [flash_attn_func(q[None, a:b], k[None, c:d], v[None, c:d], **more)[0] for (a, b), (c, d) in bounds]
    )


def unpad_input(x: Tensor, attention_mask: Tensor, **_: Any) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return (unmasked tokens packed [N, ...], their indices, offsets, longest length) of x [B, T, ...]."""
    indices, offsets, longest = get_unpad_data(attention_mask)
    return index_first_axis(x.flatten(0, 1), indices), indices, offsets, longest
