"""The operators themselves."""

from typing import Any

import torch
from torch import Tensor

from kernels import linear_recurrence
from trainer.compat.fla.modules.l2norm import l2norm

Output = tuple[Tensor, Tensor | None]


def gla(q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, gk: Tensor | None = None, **more: Any) -> Output:
    """Gated linear attention: log decay g (or gk) [B, T, H, K]."""
    return _run(q, k, v, log_decay=g if g is not None else gk, **more)


def simple_gla(q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, **more: Any) -> Output:
    """Linear attention with one log decay a head, g [B, T, H]."""
    return _run(q, k, v, log_decay=g, **more)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, **more: Any) -> Output:
    """Correct by the delta rule, with step sizes beta [B, T, H]."""
    return _run(q, k, v, beta=beta, **more)


def gated_delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, **more: Any) -> Output:
    """Decay by g [B, T, H], then correct by the delta rule."""
    return _run(q, k, v, log_decay=g, beta=beta, **more)


def linear_attn(q: Tensor, k: Tensor, v: Tensor, normalize: bool = True, **more: Any) -> Output:
    """Linear attention; `normalize` divides by the sum of its weights."""
    o, state = _run(q, k, v, **more)
    if normalize:
        time = 2 if more.get("head_first") else 1
        scale = more.get("scale") or q.shape[-1] ** -0.5
        o = o / ((q * scale * k.cumsum(time)).sum(-1, keepdim=True) + 1e-10)
    return o, state


def retention(q: Tensor, k: Tensor, v: Tensor, **more: Any) -> Output:
    """Retention: head h decays by 1 - 2^(-5 - h)."""
    heads = torch.arange(q.shape[1 if more.get("head_first") else 2], device=q.device, dtype=torch.float32)
    return _run(q, k, v, log_decay=torch.log1p(-torch.exp2(-5 - heads)), **more)


def _run(  # noqa: PLR0913 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    log_decay: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    head_first: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    **_: Any,
) -> Output:
    """Run the recurrence; `head_first` tensors are [B, H, T, ...]."""
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    if head_first:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        log_decay, beta = (x.transpose(1, 2) if x is not None and x.ndim > 1 else x for x in (log_decay, beta))
    o, state = linear_recurrence(
        q, k, v,
        log_decay=log_decay, beta=beta, initial_state=initial_state, output_final_state=output_final_state,
        cu_seqlens=cu_seqlens, scale=scale if scale is not None and scale > 0 else None,  # fla's default was -1
    )  # fmt: skip
    return (o.transpose(1, 2) if head_first else o), state
