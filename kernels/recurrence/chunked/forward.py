"""The chunk form as plain tensor operations, which autograd and every function transform can differentiate.

Within a chunk of C steps let S be the entry state, S' the exit state, U the writes and G the running sum of log decay.
P are the scores of queries against keys, and A those of keys against keys, strictly lower, rows scaled by beta:

    U  = V                                        (additive)
    U  = (I + A)^-1 beta (V - (K exp(G)) S)       (delta)
    O  = scale * ((Q exp(G)) S + P U)
    S' = exp(G_C) S + (K exp(G_C - G))^T U

Only S depends on the previous chunk, through a loop. The rest is one batched product over all chunks.
"""

import torch
from torch import Tensor

from kernels.recurrence.chunked.inverse import unit_lower_inverse
from kernels.recurrence.chunked.scores import scores


def chunk_form(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor | None, beta: Tensor | None, scale: float, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (o [N, BH, C, Dv], final state [BH, Dk, Dv]).

    q, k [N, BH, C, Dk]; v [N, BH, C, Dv]; log decay None | [N, BH, C, 1 | Dk]; beta None | [N, BH, C, 1];
    state [BH, Dk, Dv]: N chunks of C steps, BH = batch times heads.
    """
    chunks = q.shape[0]
    sums = None if decay is None else decay.cumsum(2).flatten(0, 1)
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))  # [M, C, D] with M = N * BH
    read_q, read_k, write_k, state_decay = _decayed(q, k, sums, state.dtype)
    if beta is None:
        u, removals = v, None
    else:
        solver = _solver(k, beta.flatten(0, 1), sums)
        u, removals = solver @ v, solver @ read_k  # U = u - removals S
    entries, final = _scan(write_k, u, removals, state_decay, state, chunks)
    if removals is not None:
        u = u - removals @ entries
    local = scores(q, k, sums) @ u
    return ((read_q @ entries + local) * scale).unflatten(0, (chunks, -1)), final


def _decayed(
    q: Tensor, k: Tensor, sums: Tensor | None, state_dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return Q exp(G), K exp(G), K exp(G_C - G) [M, C, Dk], and exp(G_C) [M, 1 | Dk, 1]."""
    if sums is None:
        return q, k, k, None
    last = sums[:, -1:]
    read_decay = sums.exp().to(q.dtype)
    write_decay = (last - sums).exp().to(q.dtype)
    return q * read_decay, k * read_decay, k * write_decay, last.exp().mT.to(state_dtype)


def _solver(k: Tensor, beta: Tensor, sums: Tensor | None) -> Tensor:
    """Return (I + A)^-1 diag(beta), [M, C, C]."""
    strict = (scores(k, k, sums) * beta.to(k.dtype)).tril(-1)
    return unit_lower_inverse(strict) * beta.to(k.dtype).mT


def _scan(
    write_k: Tensor, u: Tensor, removals: Tensor | None, state_decay: Tensor | None, state: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """Loop over the chunks and return (entry states [M, Dk, Dv], final state [BH, Dk, Dv])."""
    keys, writes = (x.unflatten(0, (chunks, -1)).unbind(0) for x in (write_k, u))
    removals_of, factors = (
        [None] * chunks if x is None else x.unflatten(0, (chunks, -1)).unbind(0) for x in (removals, state_decay)
    )
    entries = []
    for key, value, removal, factor in zip(keys, writes, removals_of, factors, strict=True):
        entries.append(state)
        write = value if removal is None else value - removal @ state.to(value.dtype)
        decayed = state if factor is None else state * factor
        state = decayed + (key.mT @ write).to(state.dtype)
    return torch.stack(entries).flatten(0, 1).to(u.dtype), state
