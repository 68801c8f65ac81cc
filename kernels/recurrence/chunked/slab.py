"""One slab of chunks: its forward, and its hand-written backward.

Forward saves the tiles of q and k, the entry state of every chunk and the writes U. For the delta rule it also saves
the inverse (I + A)^-1 and the `removals`, (I + A)^-1 beta (K exp(G)). That is O(T * (D + C) + T / C * D^2) numbers;
differentiating through the steps would save O(T * D^2). Backward computes scores and decay factors again.

`forward` has the formulas and names. Let rows be [Q; K], R = 2 tensors of C rows (additive: Q alone, R = 1). With
X = rows exp(G), Y = [scale * dO; -dV] and Z = beta (V - (K exp(G)) S), so that (I + A) U = Z, backward is:

    dU  = P^T (scale * dO) + (K exp(G_C - G)) dS'
    dS  = (Q exp(G))^T (scale * dO) + exp(G_C) dS' - removals^T dU      (loop over chunks, in reverse)
    dZ  = (I + A)^-T dU;   dV = beta dZ;   dbeta = <dZ, U> / beta       (additive: dV = dU)
    dScores = lower(Y U^T);   dX = Y S^T;   d(K exp(G_C - G)) = U dS'^T

and `decay` turns the last line into the gradients of rows, keys and log decay.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.recurrence.arguments import lift_zero_strengths
from kernels.recurrence.chunked.decay import choose_decay
from kernels.recurrence.chunked.inverse import unit_lower_inverse_in_place
from kernels.recurrence.chunked.sweep import sweep_backward, sweep_forward
from kernels.recurrence.chunked.tiles import Grid


class Slab(NamedTuple):
    """The tensors that backward needs, all in the accumulation dtype."""

    rows: Tensor
    """[M, R * C, Dk]: queries, and for the delta rule the keys below them."""
    keys: Tensor
    """[M, C, Dk]."""
    u: Tensor
    """The writes, [M, C, Dv]."""
    entries: Tensor
    """State at the start of every chunk, [M, Dk, Dv]."""
    log_decay: Tensor | None
    """[M, C, 1 | Dk]."""
    strength: Tensor | None
    """beta, with zeros lifted so that backward can divide by it, [M, C, 1]."""
    inverse: Tensor | None
    """(I + A)^-1, [M, C, C]."""
    removals: Tensor | None
    """(I + A)^-1 beta (K exp(G)), [M, C, Dk]."""


def forward_slab(
    grid: Grid,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    scale: float,
) -> tuple[Slab, Tensor, Tensor]:
    """Return (tensors for backward, o as tiles [M, C, Dv], final state [BH, Dk, Dv]) of a slab.

    Inputs are canonical, state [BH, Dk, Dv]. Sixteen-bit inputs are computed in fp32: rounding scores and decays would
    cost the gradients their third digit.
    """
    chunk, dtype = grid.chunk, state.dtype
    rows, keys = _rows(grid, q, k, dtype, with_keys=beta is not None)
    u = grid.cut(v, dtype)
    steps = None if log_decay is None else grid.cut(log_decay, dtype)
    strength = None if beta is None else lift_zero_strengths(grid.cut(beta[..., None], dtype))
    decay = choose_decay(rows, keys, steps)
    scores = decay.scores(slice(None))
    inverse = removals = None
    if strength is not None:
        inverse = unit_lower_inverse_in_place(scores[:, chunk:] * strength)
        solver = inverse * strength.mT
        u, removals = solver @ u, solver @ decay.read_rows[:, chunk:]
    entries, final = sweep_forward(decay, u, removals, state, grid.chunks)
    o = scores[:, :chunk].tril_() @ u
    o.baddbmm_(decay.read_rows[:, :chunk], entries, beta=scale, alpha=scale)
    return Slab(rows, keys, u, entries, steps, strength, inverse, removals), o, final


def backward_slab(
    grid: Grid, slab: Slab, d_o: Tensor | None, d_final: Tensor, scale: float
) -> tuple[tuple[Tensor | None, ...], Tensor]:
    """Return (gradients of q, k, v, log decay and beta as tiles [M, C, ...], gradient of the first state [BH, Dk, Dv]).

    d_o [B, T, H, Dv], or None for zero; d_final [BH, Dk, Dv].
    """
    rows, keys, u, entries, log_decay, strength, inverse, removals = slab
    chunk = grid.chunk
    decay = choose_decay(rows, keys, log_decay)
    y = _output_gradient(grid, slab, d_o, scale)
    d_outputs = y[:, :chunk]
    d_u = decay.scores(slice(0, chunk)).tril_().mT @ d_outputs
    d_entries = decay.read_rows[:, :chunk].mT @ d_outputs
    d_exits, d_state = sweep_backward(decay, d_u, d_entries, removals, d_final, grid.chunks)
    d_beta = None
    if inverse is not None and strength is not None:
        d_z = inverse.mT @ d_u
        d_beta = (d_z * u).sum(-1, keepdim=True) / strength
        d_u = d_z.mul_(strength)
        torch.neg(d_u, out=y[:, chunk:])
    d_scores = y @ u.mT
    d_scores[:, :chunk].tril_()
    d_scores[:, chunk:].tril_(-1)
    d_state_decay = None if decay.state_decay is None else _state_decay_gradient(entries, d_exits, decay.state_decay)
    d_rows, d_keys, d_log_decay = decay.backward(d_scores, y @ entries.mT, u @ d_exits.mT, d_state_decay)
    if strength is not None:
        d_keys += d_rows[:, chunk:]
    return (d_rows[:, :chunk], d_keys, d_u, d_log_decay, d_beta), d_state


def _rows(grid: Grid, q: Tensor, k: Tensor, dtype: torch.dtype, *, with_keys: bool) -> tuple[Tensor, Tensor]:
    """Return tiles of the rows [M, R * C, Dk] and of the keys [M, C, Dk]; with_keys puts the keys below the queries."""
    if not with_keys:
        return grid.cut(q, dtype), grid.cut(k, dtype)
    rows = q.new_empty(grid.tiles, 2 * grid.chunk, q.shape[-1], dtype=dtype)
    grid.cut_into(rows[:, : grid.chunk], q)
    grid.cut_into(rows[:, grid.chunk :], k)
    return rows, rows[:, grid.chunk :]


def _output_gradient(grid: Grid, slab: Slab, d_o: Tensor | None, scale: float) -> Tensor:
    """Return Y [M, R * C, Dv] with its first C rows, scale * dO, filled in."""
    y = slab.u.new_empty(grid.tiles, slab.rows.shape[1], slab.u.shape[-1])
    d_outputs = y[:, : grid.chunk]
    if d_o is None:
        d_outputs.zero_()
    else:
        grid.cut_into(d_outputs, d_o)
        d_outputs.mul_(scale)
    return y


def _state_decay_gradient(entries: Tensor, d_exits: Tensor, state_decay: Tensor) -> Tensor:
    """Return <S, dS'> per head or per key channel, [M, 1 | Dk, 1]."""
    product = (entries * d_exits).sum(-1, keepdim=True)
    return product if state_decay.shape[1] > 1 else product.sum(1, keepdim=True)
