"""Memories without a delta rule: mLSTM, with exponential gates and a normaliser, and second-order attention."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stand_ins.fla.ops.recurrences import recur
from stand_ins.fla.ops.sequences import on_sequences

SecondOrderState = tuple[Tensor, Tensor, Tensor]
"""(Σ k kᵀ, Σ q vᵀ, Σ k kᵀ Σ q vᵀ), each over the earlier positions."""


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

    i, f [B, T, H] are the gates' logits. With `max_normalisation` False the output is divided by n · q, with None it
    is not divided. C and n are stored times exp(-m), with the largest exponent m so far. n is a column of C for a
    constant value of one.
    """
    cumulative = F.logsigmoid(f).cumsum(1)
    memory, start = (None, f[:, :1] - torch.inf) if initial_state is None else (initial_state[0], initial_state[1])
    peak = cumulative + torch.cat([start, i - cumulative], 1).cummax(1).values[:, 1:]  # [B, T, H]
    previous_peak = torch.cat([peak[:, :1] if memory is None else start, peak[:, :-1]], 1).detach()
    peak = peak.detach()
    log_decay = F.logsigmoid(f) + previous_peak - peak
    log_decay = log_decay - log_decay.clamp(min=0).detach()  # only rounding makes it positive; gradients pass
    o, state = recur(
        q, k * (i - peak).exp()[..., None], F.pad(v, (0, 1), value=1.0),
        log_decay=log_decay, scale=scale, initial_state=memory, output_final_state=True,
    )  # fmt: skip
    assert state is not None, "output_final_state is set"
    o, weight = o[..., :-1], o[..., -1:]
    weight = torch.maximum(weight.abs(), (-peak).exp()[..., None]) if max_normalisation else weight
    return o if max_normalisation is None else o / (weight + eps), (state, peak[:, -1:])


@on_sequences
def hla(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    initial_state: SecondOrderState | None = None,
    normalize: bool = False,
    eps: float = 1e-6,
    ridge: float = 0.0,
) -> tuple[Tensor, SecondOrderState]:
    """Second-order attention: Σ over i <= j <= t of (q_t · k_i)(k_i · q_j) v_j (arXiv 2510.27258).

    `normalize` divides by the same sum without v, `ridge` adds a multiple of the identity to Σ k kᵀ.
    """
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    q, k = (x.repeat_interleave(v.shape[2] // k.shape[2], 2) for x in (q, k))
    v = F.pad(v, (0, 1), value=1.0) if normalize else v
    keys, queries, unseen = initial_state or _empty_state(q, v)
    outputs = []
    for query, key, value in zip(*(x[..., None].unbind(1) for x in (q, k, v)), strict=True):
        unseen = unseen + key @ (key.mT @ queries)  # earlier queries had not seen this key
        keys, queries = keys + key @ key.mT, queries + query @ value.mT
        outputs.append((keys @ query + ridge * query).mT @ queries - query.mT @ unseen)
    o = torch.cat(outputs, -2).transpose(1, 2)  # [B, T, H, V]
    if normalize:
        weight = o[..., -1:]
        o = o[..., :-1] / torch.where(weight < 0, weight.clamp(max=-eps), weight.clamp(min=eps))
    return o, (keys, queries, unseen)


def _empty_state(q: Tensor, v: Tensor) -> Any:
    """Return the state before the first step."""
    empty = q.new_zeros(*q[:, 0].shape, v.shape[-1])
    return q.new_zeros(*q[:, 0].shape, q.shape[-1]), empty, empty
