"""Recurrences that are not a setting of the linear one: slots, RWKV-6's bonus, independent channels, mesa."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stand_ins.fla.modules.l2norm import l2norm
from stand_ins.fla.ops.recurrences import recur
from stand_ins.fla.ops.sequences import on_sequences


@on_sequences
def gsa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    s: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
    initial_state: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Gated slot attention: s writes keys and values to M slots with log decay g; both are [B, T, H, M].

    Without g, the weights of a slot are a softmax over time (attention with bounded memory).
    """
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    groups = q.shape[2] // k.shape[2]
    if g is None:
        log_sum = s.logcumsumexp(1)
        g, s = torch.cat([log_sum[:, :1], log_sum[:, :-1]], 1) - log_sum, (s - log_sum).exp()
    k, v, s, g = (x.repeat_interleave(groups, 2) for x in (k, v, s, g))
    keys = q.new_zeros(*q[:, 0].shape, s.shape[-1]) if initial_state is None else initial_state[0].to(q.dtype)
    scores = []
    for query, key, slot, decay in zip(*(x.unbind(1) for x in (q, k, s, g.exp())), strict=True):
        keys = keys * decay[..., None, :] + key[..., None] * slot[..., None, :]  # [B, H, K, M]
        scores.append((query[..., None] * keys).sum(-2))
    weights = torch.stack(scores, 1).softmax(-1)
    memory = None if initial_state is None else initial_state[1]
    o, values = recur(weights, s, v, log_decay=g, scale=1.0, initial_state=memory, output_final_state=True)
    assert values is not None, "output_final_state is set"
    return o, (keys, values)


def abc(q: Tensor, k: Tensor, v: Tensor, s: Tensor, initial_state: Any = None, **more: Any) -> tuple[Tensor, Any]:
    """Attention with bounded memory: gated slot attention without decay."""
    return gsa(q, k, v, s, initial_state=initial_state, **more)


def rwkv6(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
    """RWKV-6: each step reads the state before it, plus u [H, K] times its own write.

    Arguments are (r, k, v, w, u, ...) with log decay w; the first versions named r and w q and g.
    """
    return _rwkv6(*args, **{{"q": "r", "g": "w"}.get(name, name): value for name, value in kwargs.items()})


@on_sequences
def _rwkv6(
    r: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    u: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Read one sequence with the state of the step before."""
    r = r * (r.shape[-1] ** -0.5 if scale is None or scale < 0 else scale)
    delayed = [torch.cat([x.new_zeros(x[:, :1].shape), x], 1) for x in (k, v, w)]  # by one step, so one step longer
    queries = F.pad(r, (0, 0, 0, 0, 0, 1))
    o, state = recur(
        queries,
        delayed[0],
        delayed[1],
        log_decay=delayed[2],
        scale=1.0,
        initial_state=initial_state,
        output_final_state=True,
    )
    assert state is not None, "output_final_state is set"
    return o[:, :-1] + (r * u * k).sum(-1, keepdim=True) * v, state


@on_sequences
def hgrn(x: Tensor, g: Tensor, initial_state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Independent channels: h <- exp(g) h + x; x, log decay g and the output are [B, T, ...]."""
    state = torch.zeros_like(x[:, 0]) if initial_state is None else initial_state.to(x.dtype)
    outputs = []
    for value, decay in zip(x.unbind(1), g.exp().unbind(1), strict=True):
        state = decay * state + value
        outputs.append(state)
    return torch.stack(outputs, 1), state


def mesa_net(  # noqa: PLR0913, PLR0917 (fla's own arguments)
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    lamb: Tensor,
    output_final_state: bool = False,
    max_CG_iteration: int = 30,  # noqa: ARG001, N803 (fla's own name; solved exactly here)
    use_qk_l2norm_in_kernel: bool = False,
    h_kk_init: Tensor | None = None,
    h_kv_init: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Least squares over the past: solve the decayed sum of beta k kᵀ plus diag(lamb) for q, then read k vᵀ with it."""
    if use_qk_l2norm_in_kernel:
        q, k = l2norm(q), l2norm(k)
    states = None if h_kk_init is None else (h_kk_init, h_kv_init)
    o, final = _mesa(
        q, k, v, g, beta, lamb, initial_state=states, output_final_state=output_final_state, cu_seqlens=cu_seqlens
    )
    kk, kv = final or (None, None)
    return o, kk, kv


@on_sequences
def _mesa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    lamb: Tensor,
    initial_state: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Solve for the query of each position, then read."""
    wide = q.dtype if q.dtype == torch.float64 else torch.float32
    state = k.new_zeros(*k[:, 0].shape, k.shape[-1], dtype=wide) if initial_state is None else initial_state[0]
    solved = []
    steps = (x.unbind(1) for x in (q.to(wide), k.to(wide), beta, g.exp()))
    for query, key, weight, decay in zip(*steps, strict=True):
        state = decay[..., None, None] * state + weight[..., None, None] * key[..., None] * key[..., None, :]
        solved.append(torch.linalg.solve(state + torch.diag_embed(lamb.to(wide)), query))
    memory = None if initial_state is None else initial_state[1]
    o, values = recur(
        torch.stack(solved, 1).to(q.dtype), k * beta[..., None], v,
        log_decay=g, scale=1.0, initial_state=memory, output_final_state=True,
    )  # fmt: skip
    assert values is not None, "output_final_state is set"
    return o, (state, values)
