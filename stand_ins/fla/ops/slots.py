"""Recurrences that are no setting of the linear one: slots, a bonus for the present, channels by themselves, mesa."""

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
    """Gated slot attention: keys and values are written to M slots by s, which fade by log decay g; [B, T, H, M] both.

    Without a decay the weights of a slot are a softmax over time (attention with bounded memory).
    """
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    groups = q.shape[2] // k.shape[2]
    if g is None:
        reach = s.logcumsumexp(1)
        g, s = torch.cat([reach[:, :1], reach[:, :-1]], 1) - reach, (s - reach).exp()
    k, v, s, g = (x.repeat_interleave(groups, 2) for x in (k, v, s, g))
    keys = q.new_zeros(*q[:, 0].shape, s.shape[-1]) if initial_state is None else initial_state[0].to(q.dtype)
    scores = []
    for ask, key, slot, decay in zip(*(x.unbind(1) for x in (q, k, s, g.exp())), strict=True):
        keys = keys * decay[..., None, :] + key[..., None] * slot[..., None, :]  # [B, H, K, M]
        scores.append((ask[..., None] * keys).sum(-2))
    chosen = torch.stack(scores, 1).softmax(-1)
    held = None if initial_state is None else initial_state[1]
    o, values = recur(chosen, s, v, log_decay=g, scale=1.0, initial_state=held, output_final_state=True)
    assert values is not None, "asked for"
    return o, (keys, values)


def abc(q: Tensor, k: Tensor, v: Tensor, s: Tensor, initial_state: Any = None, **more: Any) -> tuple[Tensor, Any]:
    """Attention with bounded memory: slots without decay."""
    return gsa(q, k, v, s, initial_state=initial_state, **more)


def rwkv6(*given: Any, **named: Any) -> tuple[Tensor, Any]:
    """RWKV-6: what is read is the state before a step plus u [H, K] times what the step writes.

    (r, k, v, w, u, ...) with log decay w; the first versions called r and w q and g.
    """
    return _rwkv6(*given, **{{"q": "r", "g": "w"}.get(name, name): value for name, value in named.items()})


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
    """Read one sequence, a step late."""
    r = r * (r.shape[-1] ** -0.5 if scale is None or scale < 0 else scale)
    late = [torch.cat([x.new_zeros(x[:, :1].shape), x], 1) for x in (k, v, w)]  # one step later, and one step more
    ask = F.pad(r, (0, 0, 0, 0, 0, 1))
    o, state = recur(
        ask, late[0], late[1], log_decay=late[2], scale=1.0, initial_state=initial_state, output_final_state=True
    )
    assert state is not None, "asked for"
    return o[:, :-1] + (r * u * k).sum(-1, keepdim=True) * v, state


@on_sequences
def hgrn(x: Tensor, g: Tensor, initial_state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Every channel by itself: h <- exp(g) h + x; x, log decay g and the output [B, T, ...]."""
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
    """Least squares over the past: q is solved against the decayed sum of beta k kᵀ + diag(lamb), then reads k vᵀ."""
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
    """Solve for each position, then read."""
    wide = q.dtype if q.dtype == torch.float64 else torch.float32
    state = k.new_zeros(*k[:, 0].shape, k.shape[-1], dtype=wide) if initial_state is None else initial_state[0]
    solved = []
    steps = (x.unbind(1) for x in (q.to(wide), k.to(wide), beta, g.exp()))
    for ask, key, weight, decay in zip(*steps, strict=True):
        state = decay[..., None, None] * state + weight[..., None, None] * key[..., None] * key[..., None, :]
        solved.append(torch.linalg.solve(state + torch.diag_embed(lamb.to(wide)), ask))
    held = None if initial_state is None else initial_state[1]
    o, values = recur(
        torch.stack(solved, 1).to(q.dtype), k * beta[..., None], v,
        log_decay=g, scale=1.0, initial_state=held, output_final_state=True,
    )  # fmt: skip
    assert values is not None, "asked for"
    return o, (state, values)
