"""The chunk form with its backward written by hand.

Forward keeps the tiles of q and k, the entry state of every chunk, the writes U, and for the delta rule the inverse
(I + A)^-1 and the keys it makes (W below): O(T * (D + C) + T / C * D^2) numbers, where differentiating through the
steps would keep O(T * D^2). Scores and decay factors are computed again in backward.

With rows = [Q; K] (additive: Q alone), X = rows exp(G) and Y = [scale * dO; -dV], backward is:

    dU  = P^T (scale * dO) + (K exp(G_C - G)) dS'
    dS  = (Q exp(G))^T (scale * dO) + exp(G_C) dS' - W^T dU             (delta rule; loop over chunks, backwards)
    dR  = (I + A)^-T dU;   dV = beta dR;   dbeta = <dR, U> / beta       (additive: dV = dU)
    dScores = lower(Y U^T);   dX = Y S^T;   d(K exp(G_C - G)) = U dS'^T

and `decay` turns the last line into the gradients of rows, keys and log decay.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.recurrence.chunked.decay import Decay, choose
from kernels.recurrence.chunked.inverse import unit_lower_inverse_
from kernels.recurrence.chunked.sweep import sweep_backward, sweep_forward
from kernels.recurrence.chunked.tiles import Grid

# A strength of zero is lifted to this: invisible in any output, and dbeta = <dR, U> / beta keeps its digits.
_LEAST_BETA = 1e-20


class ChunkedRecurrence(torch.autograd.Function):
    """(q, k, v, log_decay, beta, state, scale, chunk) of the canonical problem -> (o, final state)."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        log_decay: Tensor | None,
        beta: Tensor | None,
        state: Tensor,
        scale: float,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        """Cut into tiles, sweep over the chunks, join the outputs."""
        batch, length, heads, _ = q.shape
        grid = Grid(batch, length, heads, chunk)
        # Sixteen-bit inputs are computed in fp32: rounding scores and decays to bf16 costs the gradients three digits.
        compute = state.dtype
        rows, keys = _rows(grid, q, k, compute, with_keys=beta is not None)
        u = grid.cut(v, compute)
        steps = None if log_decay is None else grid.cut(log_decay, log_decay.dtype)
        strength = None if beta is None else _strengths(grid.cut(beta[..., None], beta.dtype))
        decay = choose(rows, keys, steps)
        scores = decay.scores(slice(None))
        inverse = removals = None
        if strength is not None:
            inverse = _inverse(scores[:, chunk:], strength)
            solver = inverse * strength.mT
            u, removals = solver @ u, solver @ decay.reads[:, chunk:]
        entries, final = sweep_forward(decay, u, removals, state.flatten(0, 1), grid.chunks)
        o = scores[:, :chunk].tril_() @ u
        o.baddbmm_(decay.reads[:, :chunk], entries, beta=scale, alpha=scale)
        ctx.save_for_backward(rows, keys, u, steps, strength, inverse, removals, entries)
        ctx.grid, ctx.scale, ctx.dtypes = grid, scale, [None if x is None else x.dtype for x in (q, k, v)]
        ctx.set_materialize_grads(False)
        return grid.join(o, v.dtype), final.unflatten(0, (batch, heads))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The formulas above."""
        d_o, d_final = gradients
        grid, scale = ctx.grid, ctx.scale
        rows, keys, u, steps, strength, inverse, removals, entries = ctx.saved_tensors
        chunk = grid.chunk
        decay = choose(rows, keys, steps)
        y = u.new_empty(grid.tiles, rows.shape[1], u.shape[-1])
        slopes = y[:, :chunk]
        if d_o is None:
            slopes.zero_()
        else:
            grid.cut_into(slopes, d_o)
            slopes.mul_(scale)
        d_u = decay.scores(slice(0, chunk)).tril_().mT @ slopes
        d_entries = decay.reads[:, :chunk].mT @ slopes
        exits, d_state = sweep_backward(decay, d_u, d_entries, removals, d_final, grid.chunks)
        d_beta = None
        if strength is not None:
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
        dtypes = ctx.dtypes
        return (
            grid.join(d_rows[:, :chunk], dtypes[0]),
            grid.join(d_keys, dtypes[1]),
            grid.join(d_u, dtypes[2]),
            None if d_steps is None else grid.join(d_steps, steps.dtype),
            None if d_beta is None else grid.join(d_beta, strength.dtype)[..., 0],
            d_state.unflatten(0, (grid.batch, grid.heads)),
            None,
            None,
        )


def _rows(grid: Grid, q: Tensor, k: Tensor, dtype: torch.dtype, with_keys: bool) -> tuple[Tensor, Tensor]:
    """Tiles of the reading vectors [M, R * C, Dk] and of the keys [M, C, Dk]; with_keys stacks the keys below."""
    if not with_keys:
        return grid.cut(q, dtype), grid.cut(k, dtype)
    rows = q.new_empty(grid.tiles, 2 * grid.chunk, q.shape[-1], dtype=dtype)
    grid.cut_into(rows[:, : grid.chunk], q)
    grid.cut_into(rows[:, grid.chunk :], k)
    return rows, rows[:, grid.chunk :]


def _strengths(beta: Tensor) -> Tensor:
    """beta with zeros lifted to the least strength, [M, C, 1]."""
    return beta.masked_fill_(beta.abs() < _LEAST_BETA, _LEAST_BETA)


def _inverse(key_scores: Tensor, strength: Tensor) -> Tensor:
    """(I + A)^-1 in the accumulation dtype, A = beta * key_scores below the diagonal."""
    return unit_lower_inverse_(key_scores * strength)


def _d_carried(entries: Tensor, exits: Tensor, carried: Tensor) -> Tensor:
    """<S, dS'> per head or per key channel, [M, 1 | Dk, 1]."""
    product = (entries * exits).sum(-1, keepdim=True)
    return product if carried.shape[1] > 1 else product.sum(1, keepdim=True)
