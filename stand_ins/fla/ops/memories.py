"""Memories that no delta rule keeps: mLSTM's, with exponential gates and a normaliser, and a second-order one."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stand_ins.fla.ops.recurrences import recur
from stand_ins.fla.ops.sequences import on_sequences

Second = tuple[Tensor, Tensor, Tensor]
"""(Σ k kᵀ, Σ q vᵀ, Σ k kᵀ Σ q vᵀ), each over what came before."""


@on_sequences
def mlstm(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    i: Tensor,
    f: Tensor,
    scale: float | None = None,
    eps: float = 1e-6,
    initial_state: tuple[Tensor, Tensor] | None = None,
    max_normalisation: bool | None = True,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """C <- σ(f) C + exp(i) k vᵀ and n <- σ(f) n + exp(i) k; Cᵀ q / max(|n · q|, 1) (arXiv 2405.04517).

    i, f [B, T, H] are the gates' logits. Without `max_normalisation` it is divided by n · q, or by nothing (None).
    Both are kept as exp(-m) of them with the largest exponent m so far; n is C's column for a value of one.
    """
    reach = F.logsigmoid(f).cumsum(1)
    held, start = (None, f[:, :1] - torch.inf) if initial_state is None else (initial_state[0], initial_state[1])
    most = reach + torch.cat([start, i - reach], 1).cummax(1).values[:, 1:]  # [B, T, H]
    before = torch.cat([most[:, :1] if held is None else start, most[:, :-1]], 1).detach()
    most = most.detach()
    fading = F.logsigmoid(f) + before - most
    fading = fading - fading.clamp(min=0).detach()  # rounding alone takes it above nothing, and gradients pass
    o, state = recur(
        q, k * (i - most).exp()[..., None], F.pad(v, (0, 1), value=1.0),
        log_decay=fading, scale=scale, initial_state=held, output_final_state=True,
    )  # fmt: skip
    assert state is not None, "asked for"
    o, weight = o[..., :-1], o[..., -1:]
    weight = torch.maximum(weight.abs(), (-most).exp()[..., None]) if max_normalisation else weight
    return o if max_normalisation is None else o / (weight + eps), (state, most[:, -1:])


@on_sequences
def hla(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    initial_state: Second | None = None,
    normalize: bool = False,
    eps: float = 1e-6,
    ridge: float = 0.0,
) -> tuple[Tensor, Second]:
    """Attention of second order: Σ over i <= j <= t of (q_t · k_i)(k_i · q_j) v_j (arXiv 2510.27258).

    `normalize` divides by the same sum without v, `ridge` adds a multiple of the identity to Σ k kᵀ.
    """
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    q, k = (x.repeat_interleave(v.shape[2] // k.shape[2], 2) for x in (q, k))
    v = F.pad(v, (0, 1), value=1.0) if normalize else v
    keys, asked, early = initial_state or _nothing(q, v)
    outputs = []
    for ask, key, value in zip(*(x[..., None].unbind(1) for x in (q, k, v)), strict=True):
        early = early + key @ (key.mT @ asked)  # what asked before there was the key
        keys, asked = keys + key @ key.mT, asked + ask @ value.mT
        outputs.append((keys @ ask + ridge * ask).mT @ asked - ask.mT @ early)
    o = torch.cat(outputs, -2).transpose(1, 2)  # [B, T, H, V]
    if normalize:
        weight = o[..., -1:]
        o = o[..., :-1] / torch.where(weight < 0, weight.clamp(max=-eps), weight.clamp(min=eps))
    return o, (keys, asked, early)


def _nothing(q: Tensor, v: Tensor) -> Any:
    """Return the state before the first step."""
    empty = q.new_zeros(*q[:, 0].shape, v.shape[-1])
    return q.new_zeros(*q[:, 0].shape, q.shape[-1]), empty, empty
