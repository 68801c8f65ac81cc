"""Softmax attention over the past and its variants, each quadratic in length as in its paper."""

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
    """Return softmax attention [B, T, H, V] of q, k, v [B, T, H, ...]; log decays g [B, T, H] are added to scores."""
    o, _ = _attn(q, k, v, g=g, scale=scale, window_size=window_size, cu_seqlens=cu_seqlens, **more)
    return o


def forgetting_attn(q: Tensor, k: Tensor, v: Tensor, g: Tensor, **more: Any) -> Tensor:
    """Return softmax attention with log decay g [B, T, H] (forgetting attention, arXiv 2503.02130)."""
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
    bias = None if g is None else _decay_bias(g, window_size)
    o = F.scaled_dot_product_attention(
        *(x.transpose(1, 2) for x in (q, k, v)),
        attn_mask=None if bias is None else bias.to(q.dtype), is_causal=bias is None, scale=scale,
    )  # fmt: skip
    return o.transpose(1, 2), q[:, :0]


def _decay_bias(g: Tensor, window: int | None) -> Tensor:
    """Return the log decay between each pair of positions, [B, H, T, T], minus infinity where a key is not visible."""
    cumulative = g.cumsum(1).mT  # [B, H, T]
    steps = torch.arange(g.shape[1], device=g.device)
    distance = steps[:, None] - steps
    hidden = (distance < 0) | (distance >= (window or len(steps)))
    return (cumulative[..., :, None] - cumulative[..., None, :]).masked_fill(hidden, -torch.inf)


def stickbreaking_attn(q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
    """Return (o, the unused weight [B, T, H]): the nearest key takes its share first (arXiv 2410.17980)."""
    return _stickbreaking(q, k, v, **more | {"output_final_state": True})


@on_sequences
def _stickbreaking(
    q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, attend_current: bool = False
) -> tuple[Tensor, Tensor]:
    """Attend within one sequence by stick breaking."""
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)))
    logits = q @ k.mT
    hidden = torch.ones_like(logits, dtype=torch.bool).triu(1 if attend_current else 0)
    log_rest = F.logsigmoid(-logits).masked_fill(hidden, 0)
    nearer = log_rest.flip(-1).cumsum(-1).flip(-1) - log_rest
    weights = (F.logsigmoid(logits) + nearer).masked_fill(hidden, -torch.inf).exp()
    return (weights @ v).transpose(1, 2), log_rest.sum(-1).exp().mT


@on_sequences
def _deltaformer(q: Tensor, k: Tensor, v: Tensor, beta: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Solve for the written values of one sequence, then attend to them."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    scores = q.shape[-1] ** -0.5 * q @ k.mT
    before = torch.ones_like(scores, dtype=torch.bool).tril(-1)
    weights = scores.masked_fill(~before, -1e30).softmax(-1).masked_fill(~before, 0)
    weights = weights if beta is None else weights * beta.mT[..., None]
    writes = torch.linalg.solve_triangular(weights, v, upper=False, unitriangular=True)
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
    """Return softmax attention whose scores pass through a reflection I - beta w wᵀ at each step (arXiv 2505.16381)."""
    groups = q.shape[2] // k.shape[2]
    k, v, w, beta = (x.repeat_interleave(groups, 2) for x in (k, v, w, beta))
    q, k, v, w, scaled_w = (x.transpose(1, 2) for x in (q, k, v, w, w * beta[..., None]))
    reflected = torch.linalg.solve_triangular(
        (scaled_w @ w.mT).tril(-1), (scaled_w @ k.mT).tril(-1), upper=False, unitriangular=True
    )
    scores = q @ k.mT - (q @ w.mT).tril() @ reflected
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(1)
    scores = scores if g is None else scores + _decay_bias(g, None).masked_fill(hidden, 0)
    weights = (scores * (q.shape[-1] ** -0.5 if scale is None else scale)).masked_fill(hidden, -torch.inf).softmax(-1)
    return (weights @ v).transpose(1, 2), k


def deltaformer_attn(q: Tensor, k: Tensor, v: Tensor, beta: Tensor | None = None, **more: Any) -> Tensor:
    """Return attention to values minus what the past already answers to their keys (arXiv 2505.19488)."""
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
    """Return attention of one query for each sequence, q [1, N, H, D], to the packed keys and values of its past."""
    assert cu_seqlens is not None, "the keys of all sequences are packed"
    outputs = []
    for number, (start, end) in enumerate(pairwise(cu_seqlens.tolist())):
        query = q[:, number : number + 1].expand(-1, end - start, -1, -1)
        decay = None if g is None else g[:, start:end]
        outputs.append(attn(query, k[:, start:end], v[:, start:end], decay, scale)[:, -1:])
    return torch.cat(outputs, 1)
