"""One slab of chunks: its forward, and its backward written by hand.

Forward keeps the tiles of q and k, the entry state of every chunk, the writes U, and for the delta rule the inverse
(I + A)^-1 and the keys it makes (`removals`): O(T * (D + C) + T / C * D^2) numbers, where differentiating through the
steps would keep O(T * D^2). Scores and decay factors are computed again in backward.

With rows = [Q; K] (additive: Q alone), X = rows exp(G) and Y = [scale * dO; -dV], backward is:

    dU  = P^T (scale * dO) + (K exp(G_C - G)) dS'
    dS  = (Q exp(G))^T (scale * dO) + exp(G_C) dS' - removals^T dU      (loop over chunks, backwards)
    dR  = (I + A)^-T dU;   dV = beta dR;   dbeta = <dR, U> / beta       (additive: dV = dU)
    dScores = lower(Y U^T);   dX = Y S^T;   d(K exp(G_C - G)) = U dS'^T

and `decay` turns the last line into the gradients of rows, keys and log decay.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.recurrence.chunked.decay import choose
from kernels.recurrence.chunked.inverse import unit_lower_inverse_
from kernels.recurrence.chunked.sweep import sweep_backward, sweep_forward
from kernels.recurrence.chunked.tiles import Grid

# A strength of zero is lifted to this: invisible in any output, and dbeta = <dR, U> / beta keeps its digits.
_LEAST_BETA = 1e-20


class Slab(NamedTuple):
    """What backward needs; all in the accumulation dtype."""

    rows: Tensor
    """[M, R * C, Dk]: queries, and for the delta rule the keys below them."""
    keys: Tensor
    """[M, C, Dk]."""
    u: Tensor
    """The writes, [M, C, Dv]."""
    entries: Tensor
    """State at the start of every chunk, [M, Dk, Dv]."""
    steps: Tensor | None
    """Log decay, [M, C, 1 | Dk]."""
    strength: Tensor | None
    """[M, C, 1]."""
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
    """Return (what to keep, o as tiles [M, C, Dv], final state [G, Dk, Dv]) of a slab.

    Sixteen-bit inputs are computed in fp32: rounding scores and decays would cost the gradients their third digit.
    """
    chunk, compute = grid.chunk, state.dtype
    rows, keys = _rows(grid, q, k, compute, with_keys=beta is not None)
    u = grid.cut(v, compute)
    steps = None if log_decay is None else grid.cut(log_decay, compute)
    strength = None if beta is None else _strengths(grid.cut(beta[..., None], compute))
    decay = choose(rows, keys, steps)
    scores = decay.scores(slice(None))
    inverse = removals = None
    if strength is not None:
        inverse = unit_lower_inverse_(scores[:, chunk:] * strength)
        solver = inverse * strength.mT
        u, removals = solver @ u, solver @ decay.reads[:, chunk:]
    entries, final = sweep_forward(decay, u, removals, state, grid.chunks)
    o = scores[:, :chunk].tril_() @ u
    o.baddbmm_(decay.reads[:, :chunk], entries, beta=scale, alpha=scale)
    return Slab(rows, keys, u, entries, steps, strength, inverse, removals), o, final


def backward_slab(
    grid: Grid, slab: Slab, d_o: Tensor | None, d_final: Tensor, scale: float
) -> tuple[tuple[Tensor | None, ...], Tensor]:
    """(gradients of q, k, v, log decay and beta as tiles, gradient of the first state [G, Dk, Dv])."""
    rows, keys, u, entries, steps, strength, inverse, removals = slab
    chunk = grid.chunk
    decay = choose(rows, keys, steps)
    y = _slopes(grid, slab, d_o, scale)
    slopes = y[:, :chunk]
    d_u = decay.scores(slice(0, chunk)).tril_().mT @ slopes
    d_entries = decay.reads[:, :chunk].mT @ slopes
    exits, d_state = sweep_backward(decay, d_u, d_entries, removals, d_final, grid.chunks)
    d_beta = None
    if inverse is not None and strength is not None:
        d_r = inverse.mT @ d_u
        d_beta = (d_r * u).sum(-1, keepdim=True) / strength
        d_u = d_r.mul_(strength)
        torch.neg(d_u, out=y[:, chunk:])
    d_scores = y @ u.mT
    d_scores[:, :chunk].tril_()
    d_scores[:, chunk:].tril_(-1)
    d_carried = None if decay.carried is None else _d_carried(entries, exits, decay.carried)
    d_rows, d_keys, d_steps = decay.backward(d_scores, y @ entries.mT, u @ exits.mT, d_carried)
    if strength is not None:
        d_keys += d_rows[:, chunk:]
    return (d_rows[:, :chunk], d_keys, d_u, d_steps, d_beta), d_state


def _rows(grid: Grid, q: Tensor, k: Tensor, dtype: torch.dtype, *, with_keys: bool) -> tuple[Tensor, Tensor]:
    """Tiles of the reading vectors [M, R * C, Dk] and of the keys [M, C, Dk]; with_keys stacks the keys below."""
    if not with_keys:
        return grid.cut(q, dtype), grid.cut(k, dtype)
    rows = q.new_empty(grid.tiles, 2 * grid.chunk, q.shape[-1], dtype=dtype)
    grid.cut_into(rows[:, : grid.chunk], q)
    grid.cut_into(rows[:, grid.chunk :], k)
    return rows, rows[:, grid.chunk :]


def _slopes(grid: Grid, slab: Slab, d_o: Tensor | None, scale: float) -> Tensor:
    """Y [M, R * C, Dv] with its first half filled: scale * dO."""
    y = slab.u.new_empty(grid.tiles, slab.rows.shape[1], slab.u.shape[-1])
    slopes = y[:, : grid.chunk]
    if d_o is None:
        slopes.zero_()
    else:
        grid.cut_into(slopes, d_o)
        slopes.mul_(scale)
    return y


def _strengths(beta: Tensor) -> Tensor:
    """Write strengths with zeros lifted to the least, [M, C, 1]."""
    return beta.masked_fill_(beta.abs() < _LEAST_BETA, _LEAST_BETA)


def _d_carried(entries: Tensor, exits: Tensor, carried: Tensor) -> Tensor:
    """<S, dS'> per head or per key channel, [M, 1 | Dk, 1]."""
    product = (entries * exits).sum(-1, keepdim=True)
    return product if carried.shape[1] > 1 else product.sum(1, keepdim=True)
