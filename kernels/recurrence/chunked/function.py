"""The chunk form as one differentiable function, slab by slab.

A slab is a stretch of time of a few sequences, small enough that everything computed about it stays in a core's cache.
Slabs of one sequence follow each other, the state handed from one to the next; backward goes the other way.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.recurrence.chunked.slab import Slab, backward_slab, forward_slab
from kernels.recurrence.chunked.tiles import Grid
from kernels.transforms import without_autocast

# Numbers in one [tiles, C, D] tensor of a slab: measured, half a MiB in fp32 is best on a core with half a MiB of L2.
SLAB_NUMBERS = 1 << 17

Place = tuple[slice, slice]


class ChunkedRecurrence(torch.autograd.Function):
    """Map (q, k, v, log_decay, beta, state, scale, chunk) of the canonical problem -> (o, final state)."""

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
        """Run the slabs in order of time."""
        o, final = torch.empty_like(v, memory_format=torch.contiguous_format), state.clone()
        ctx.places = list(_places(q, v, chunk))
        ctx.grids, saved = [], []
        for rows, times in ctx.places:
            here = rows, times
            queries = q[here]
            grid = Grid(queries.shape[0], queries.shape[1], queries.shape[2], chunk)
            decay, strength = (None if x is None else x[here] for x in (log_decay, beta))
            entering = final[rows].flatten(0, 1)
            slab, tiles, leaving = forward_slab(grid, queries, k[here], v[here], decay, strength, entering, scale)
            grid.join_into(o[here], tiles)
            final[rows] = leaving.view_as(final[rows])
            ctx.grids.append(grid)
            saved += slab
        ctx.save_for_backward(q, k, v, log_decay, beta, state, *saved)
        ctx.scale = scale
        ctx.set_materialize_grads(False)
        return o, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run the slabs against time."""
        d_o, d_final = gradients
        q, k, v, log_decay, beta, state, *saved = ctx.saved_tensors
        slabs = [Slab(*saved[n : n + len(Slab._fields)]) for n in range(0, len(saved), len(Slab._fields))]
        d_inputs = [
            None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format)
            for x in (q, k, v, log_decay, beta)
        ]
        d_state = torch.zeros_like(state) if d_final is None else d_final.clone()
        for (rows, times), grid, slab in reversed(list(zip(ctx.places, ctx.grids, slabs, strict=True))):
            slope = None if d_o is None else d_o[rows, times]
            with without_autocast(q.device):
                tiles, entering = backward_slab(grid, slab, slope, d_state[rows].flatten(0, 1), ctx.scale)
            d_state[rows] = entering.view_as(d_state[rows])
            for d_input, tile in zip(d_inputs, tiles, strict=True):
                if d_input is not None and tile is not None:
                    part = d_input[rows, times]
                    grid.join_into(part if part.ndim == 4 else part[..., None], tile)
        return (*d_inputs, d_state, None, None)


def _places(q: Tensor, v: Tensor, chunk: int) -> Iterator[Place]:
    """Where the slabs lie: slices of the batch, and within each, slices of time in order."""
    batch, length, heads, _ = q.shape
    tile = chunk * max(q.shape[-1], v.shape[-1])
    tiles = max(1, SLAB_NUMBERS // tile)
    sequences = min(batch, max(1, tiles // heads))
    stretch = chunk * max(1, tiles // (sequences * heads))
    for first in range(0, batch, sequences):
        for start in range(0, length, stretch):
            yield slice(first, first + sequences), slice(start, start + stretch)
