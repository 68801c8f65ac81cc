"""Softmax attention over the past, plain or with a fading memory: quadratic in length, as their papers have it."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import window_attention
from stand_ins.fla.ops.sequences import on_sequences


def attn(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
    window_size: int | None = None,
    cu_seqlens: Tensor | None = None,
    **more: Any,
) -> Tensor:
    """Return softmax attention [B, T, H, V] of q, k, v [B, T, H, ...]; log decay g [B, T, H] is summed into scores."""
    o, _ = _attn(q, k, v, g=g, scale=scale, window_size=window_size, cu_seqlens=cu_seqlens, **more)
    return o


def forgetting_attn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, **more: Any) -> Tensor:
    """Return softmax attention that forgets by g [B, T, H] (arXiv 2503.02130)."""
    return attn(q, k, v, g, **more)


@on_sequences
def _attn(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
    window_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend within one sequence; there is no state."""
    groups = q.shape[2] // k.shape[2]
    k, v = (x.repeat_interleave(groups, 2) for x in (k, v))
    if g is None and window_size is not None:
        return window_attention(q, k, v, window_size, scale), q[:, :0]
    bias = None if g is None else _fading(g, window_size)
    o = F.scaled_dot_product_attention(
        *(x.transpose(1, 2) for x in (q, k, v)),
        attn_mask=None if bias is None else bias.to(q.dtype), is_causal=bias is None, scale=scale,
    )  # fmt: skip
    return o.transpose(1, 2), q[:, :0]


def _fading(g: Tensor, window: int | None) -> Tensor:
    """Return what decay takes from each score, [B, H, T, T], minus infinity for what can't be seen."""
    reach = g.cumsum(1).mT  # [B, H, T]
    steps = torch.arange(g.shape[1], device=g.device)
    distance = steps[:, None] - steps
    hidden = (distance < 0) | (distance >= (window or len(steps)))
    return (reach[..., :, None] - reach[..., None, :]).masked_fill(hidden, -torch.inf)


def stickbreaking_attn(q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
    """Return (o, what is left of each stick [B, T, H]): the nearest key takes its share first (arXiv 2410.17980)."""
    return _stickbreaking(q, k, v, **more | {"output_final_state": True})


@on_sequences
def _stickbreaking(
    q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, attend_current: bool = False
) -> tuple[Tensor, Tensor]:
    """Break the sticks of one sequence."""
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)))
    logits = q @ k.mT
    hidden = torch.ones_like(logits, dtype=torch.bool).triu(1 if attend_current else 0)
    left = F.logsigmoid(-logits).masked_fill(hidden, 0)
    nearer = left.flip(-1).cumsum(-1).flip(-1) - left
    weights = (F.logsigmoid(logits) + nearer).masked_fill(hidden, -torch.inf).exp()
    return (weights @ v).transpose(1, 2), left.sum(-1).exp().mT


@on_sequences
def _deltaformer(q: Tensor, k: Tensor, v: Tensor, beta: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Solve for the writes of one sequence, then attend to them."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    scores = q.shape[-1] ** -0.5 * q @ k.mT
    before = torch.ones_like(scores, dtype=torch.bool).tril(-1)
    seen = scores.masked_fill(~before, -1e30).softmax(-1).masked_fill(~before, 0)
    seen = seen if beta is None else seen * beta.mT[..., None]
    writes = torch.linalg.solve_triangular(seen, v, upper=False, unitriangular=True)
    return F.scaled_dot_product_attention(q, k, writes, is_causal=True).transpose(1, 2), q[:, :0]


@on_sequences
def path_attn(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    beta: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return softmax attention over keys that each step's reflection I - beta w wᵀ has turned (arXiv 2505.16381)."""
    groups = q.shape[2] // k.shape[2]
    k, v, w, beta = (x.repeat_interleave(groups, 2) for x in (k, v, w, beta))
    q, k, v, w, strong = (x.transpose(1, 2) for x in (q, k, v, w, w * beta[..., None]))
    turned = torch.linalg.solve_triangular(
        (strong @ w.mT).tril(-1), (strong @ k.mT).tril(-1), upper=False, unitriangular=True
    )
    scores = q @ k.mT - (q @ w.mT).tril() @ turned
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(1)
    scores = scores if g is None else scores + _fading(g, None).masked_fill(hidden, 0)
    weights = (scores * (q.shape[-1] ** -0.5 if scale is None else scale)).masked_fill(hidden, -torch.inf).softmax(-1)
    return (weights @ v).transpose(1, 2), k


def deltaformer_attn(q: Tensor, k: Tensor, v: Tensor, beta: Tensor | None = None, **more: Any) -> Tensor:
    """Return attention to values from which the past's answer to their keys was taken first (arXiv 2505.19488)."""
    o, _ = _deltaformer(q, k, v, beta=beta, **more)
    return o


def attn_decoding_one_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
    cu_seqlens: Tensor | None = None,
    **_: Any,
) -> Tensor:
    """Return attention of one query a sequence, q [1, N, H, D], to the packed keys and values of its own past."""
    assert cu_seqlens is not None, "the keys of all sequences are packed"
    outputs = []
    for number, (start, end) in enumerate(pairwise(cu_seqlens.tolist())):
        ask = q[:, number : number + 1].expand(-1, end - start, -1, -1)
        part = None if g is None else g[:, start:end]
        outputs.append(attn(ask, k[:, start:end], v[:, start:end], part, scale)[:, -1:])
    return torch.cat(outputs, 1)
