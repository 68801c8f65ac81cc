"""Recurrences whose transition has a rank-one term: S <- diag(exp(g)) S + b (aᵀ S) + k vᵀ; o = Sᵀ q."""

from typing import Any

import torch
from torch import Tensor

from stand_ins.fla.modules.l2norm import l2norm
from stand_ins.fla.ops.recurrences import kda_gate
from stand_ins.fla.ops.sequences import on_sequences


@on_sequences
def dplr(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    gk: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (o [B, T, H, V], final state [B, H, K, V]); q, k, a, b and log decay gk [B, T, H, K], v [B, T, H, V]."""
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    decay = None if gk is None else gk.exp().unbind(1)
    state = q.new_zeros(*q[:, 0].shape, v.shape[-1]) if initial_state is None else initial_state.to(q.dtype)
    outputs = []
    for t, (query, key, value, left, right) in enumerate(zip(*(x.unbind(1) for x in (q, k, v, a, b)), strict=True)):
        decayed = state if decay is None else decay[t][..., None] * state
        projected = (left[..., None] * state).sum(-2)
        state = decayed + right[..., None] * projected[..., None, :] + key[..., None] * value[..., None, :]
        outputs.append((query[..., None] * state).sum(-2))
    return torch.stack(outputs, 1), state


def iplr(q: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, **more: Any) -> tuple[Tensor, Any]:
    """Return dplr's output without decay."""
    return dplr(q, k, v, a, b, **more)


def rwkv7(
    r: Tensor,
    w: Tensor | None = None,
    k: Tensor | None = None,
    v: Tensor | None = None,
    a: Tensor | None = None,
    b: Tensor | None = None,
    scale: float | None = 1.0,
    **more: Any,
) -> tuple[Tensor, Any]:
    """RWKV-7: log decay w [B, T, H, K], rank-one term b aᵀ."""
    return dplr(r, k, v, a, b, gk=more.pop("log_w", None) if w is None else w, scale=scale, **more)


def mul_rwkv7(
    r: Tensor, w: Tensor, k: Tensor, v: Tensor, kk: Tensor, a: Tensor, scale: float | None = 1.0, **more: Any
) -> tuple[Tensor, Any]:
    """RWKV-7 with a = -kk and b = kk * a."""
    return rwkv7(r, w, k, v, -kk, kk * a, scale, **more)


def comba(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    p: Tensor,
    g: Tensor,
    beta: Tensor | None = None,
    use_qk_l2norm_in_kernel: bool = False,
    **more: Any,
) -> tuple[Tensor, Any]:
    """Comba: decay by g [B, T, H], then the delta rule, whose error is read by p [B, T, H, K] in place of k."""
    if use_qk_l2norm_in_kernel:
        q, k, p = l2norm(q), l2norm(k), l2norm(p)
    beta = torch.ones_like(g) if beta is None else beta
    decay = g[..., None].expand_as(k)
    return dplr(q, k, v * beta[..., None], -beta[..., None] * p * decay.exp(), k, gk=decay, **more)


def recurrent_comba(
    q: Tensor, k: Tensor, p: Tensor, v: Tensor, g: Tensor, beta: Tensor | None = None, **more: Any
) -> tuple[Tensor, Any]:
    """Comba with the order of arguments of its recurrent form."""
    return comba(q, k, v, p, g, beta, **more)


def gdn2(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    b: Tensor,
    w: Tensor,
    use_qk_l2norm_in_kernel: bool = False,
    use_gate_in_kernel: bool = False,
    **more: Any,
) -> tuple[Tensor, Any]:
    """Decay by g [B, T, H, K], erase the read of b * k, write w * v: b gates key channels, w value channels."""
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    if use_gate_in_kernel:
        g = kda_gate(g, more.get("A_log"), more.get("dt_bias"), more.get("lower_bound"))
    return dplr(q, k, w * v, -b * k * g.exp(), k, gk=g, **more)


def addcmul_rwkv7(
    x: Tensor, delta: Tensor, *ratios: Tensor | None, **named: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return x + delta * ratio for each ratio, None for None; five ratios or fewer get a last None, for the gate."""
    all_ratios = [*ratios, *named.values()]
    return tuple(
        None if ratio is None else x + delta * ratio for ratio in [*all_ratios, None][: max(len(all_ratios), 6)]
    )


def k_rwkv7(k: Tensor, a: Tensor, ka: Tensor, **_: Any) -> Tensor:
    """Return k (1 + (a - 1) ka)."""
    return k + k * (a - 1) * ka


def gate_output_correction(o: Tensor, r: Tensor, k: Tensor, r_k: Tensor, v: Tensor, g: Tensor) -> Tensor:
    """Return (o + ((r · k * r_k) v)) * g; o, g [B, T, H D], r, k, v [B, T, H, D], r_k [H, D]."""
    return (o + ((r * k * r_k).sum(-1, keepdim=True) * v).flatten(-2)) * g
