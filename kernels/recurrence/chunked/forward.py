"""The chunk form as plain tensor operations, differentiable by autograd and by every function transform.

Within a chunk of C steps with entry state S, running decay G and scores P (queries against keys), A (keys against
keys, strictly lower, rows scaled by beta):

    R  = V                                        (additive: U = R)
    U  = (I + A)^-1 beta (V - (K exp(G)) S)       (delta)
    O  = scale * ((Q exp(G)) S + P U)
    S' = exp(G_C) S + (K exp(G_C - G))^T U

Only the last line depends on the previous chunk through a loop; all else is one batched product over all chunks.
"""

import torch
from torch import Tensor

from kernels.recurrence.chunked.inverse import unit_lower_inverse
from kernels.recurrence.chunked.scores import scores


def chunk_form(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor | None, beta: Tensor | None, scale: float, state: Tensor
) -> tuple[Tensor, Tensor]:
    """(o [N, G, C, Dv], final state [G, Dk, Dv]).

    q, k [N, G, C, Dk]; v [N, G, C, Dv]; decay None | [N, G, C, 1 | Dk]; beta None | [N, G, C, 1];
    state [G, Dk, Dv]; N chunks of C steps, G = batch times heads.
    """
    chunks = q.shape[0]
    cumulative = None if decay is None else running_sum(decay).flatten(0, 1)
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))  # [M, C, D] with M = N * G
    read_q, read_k, write_k, carried = _decayed(q, k, cumulative, state.dtype)
    if beta is None:
        u, removed = v, None
    else:
        solved = _solver(k, beta.flatten(0, 1), cumulative)
        u, removed = solved @ v, solved @ read_k  # U = u - removed S
    entry, final = _scan(write_k, u, removed, carried, state, chunks)
    if removed is not None:
        u = u - removed @ entry
    attended = scores(q, k, cumulative) @ u
    return ((read_q @ entry + attended) * scale).unflatten(0, (chunks, -1)), final


def running_sum(decay: Tensor) -> Tensor:
    """G, the inclusive running sum of log decay in a chunk."""
    return decay.cumsum(2)


def _decayed(
    q: Tensor, k: Tensor, cumulative: Tensor | None, wide: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Q exp(G), K exp(G), K exp(G_C - G) [M, C, Dk], and exp(G_C) [M, 1 | Dk, 1]."""
    if cumulative is None:
        return q, k, k, None
    last = cumulative[:, -1:]
    read = cumulative.exp().to(q.dtype)
    return q * read, k * read, k * (last - cumulative).exp().to(q.dtype), last.exp().mT.to(wide)


def _solver(k: Tensor, beta: Tensor, cumulative: Tensor | None) -> Tensor:
    """(I + A)^-1 diag(beta), [M, C, C]."""
    strict = (scores(k, k, cumulative) * beta.to(k.dtype)).tril(-1)
    return unit_lower_inverse(strict) * beta.to(k.dtype).mT


def _scan(
    write_k: Tensor, u: Tensor, removed: Tensor | None, carried: Tensor | None, state: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """Return the loop over chunks: (entry states [M, Dk, Dv], final state [G, Dk, Dv])."""
    keys, values = (x.unflatten(0, (chunks, -1)).unbind(0) for x in (write_k, u))
    removals = [None] * chunks if removed is None else removed.unflatten(0, (chunks, -1)).unbind(0)
    factors = [None] * chunks if carried is None else carried.unflatten(0, (chunks, -1)).unbind(0)
    entries = []
    for key, value, removal, factor in zip(keys, values, removals, factors, strict=True):
        entries.append(state)
        written = value if removal is None else value - removal @ state.to(value.dtype)
        kept = state if factor is None else state * factor
        state = kept + (key.mT @ written).to(state.dtype)
    return torch.stack(entries).flatten(0, 1).to(u.dtype), state
