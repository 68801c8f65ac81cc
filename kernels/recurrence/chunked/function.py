"""The chunk form as one differentiable function, slab by slab.

A slab is a stretch of time of a few sequences, so small that all its tensors stay in a core's cache. Forward runs the
slabs of a sequence in order of time and passes the state from one to the next; backward runs them in reverse.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.recurrence.chunked.slab import Slab, backward_slab, forward_slab
from kernels.recurrence.chunked.tiles import Grid
from kernels.transforms import without_autocast

# Numbers in one [tiles, C, D] tensor of a slab. Measured: half a MiB in fp32 is best on a core with half a MiB of L2.
_SLAB_NUMBERS = 1 << 17

SlabRange = tuple[slice, slice]
"""Which sequences, and which steps of them."""


class ChunkedRecurrence(torch.autograd.Function):
    """Map canonical (q, k, v, log_decay, beta, state, scale) and the chunk length to (o, final state)."""

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
        ctx.ranges = list(_slab_ranges(q, v, chunk))
        ctx.grids, saved = [], []
        for part in ctx.ranges:
            sequences, _ = part
            queries = q[part]
            grid = Grid(queries.shape[0], queries.shape[1], queries.shape[2], chunk)
            decay, strength = (None if x is None else x[part] for x in (log_decay, beta))
            entry_state = final[sequences].flatten(0, 1)
            slab, tiles, exit_state = forward_slab(grid, queries, k[part], v[part], decay, strength, entry_state, scale)
            grid.join_into(o[part], tiles)
            final[sequences] = exit_state.view_as(final[sequences])
            ctx.grids.append(grid)
            saved += slab
        ctx.save_for_backward(q, k, v, log_decay, beta, state, *saved)
        ctx.scale = scale
        ctx.set_materialize_grads(False)
        return o, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run the slabs in reverse order of time."""
        d_o, d_final = gradients
        q, k, v, log_decay, beta, state, *saved = ctx.saved_tensors
        slabs = [Slab(*saved[n : n + len(Slab._fields)]) for n in range(0, len(saved), len(Slab._fields))]
        d_inputs = [
            None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format)
            for x in (q, k, v, log_decay, beta)
        ]
        d_state = torch.zeros_like(state) if d_final is None else d_final.clone()
        for part, grid, slab in reversed(list(zip(ctx.ranges, ctx.grids, slabs, strict=True))):
            sequences, _ = part
            d_part = None if d_o is None else d_o[part]
            with without_autocast(q.device):
                tiles, d_entry = backward_slab(grid, slab, d_part, d_state[sequences].flatten(0, 1), ctx.scale)
            d_state[sequences] = d_entry.view_as(d_state[sequences])
            for d_input, tile in zip(d_inputs, tiles, strict=True):
                if d_input is not None and tile is not None:
                    target = d_input[part]
                    grid.join_into(target if target.ndim == 4 else target[..., None], tile)
        return (*d_inputs, d_state, None, None)


def _slab_ranges(q: Tensor, v: Tensor, chunk: int) -> Iterator[SlabRange]:
    """Yield the slabs: groups of sequences, and within each, stretches of time in order."""
    batch, length, heads, _ = q.shape
    tile = chunk * max(q.shape[-1], v.shape[-1])
    tiles = max(1, _SLAB_NUMBERS // tile)
    sequences = min(batch, max(1, tiles // heads))
    steps = chunk * max(1, tiles // (sequences * heads))
    for first in range(0, batch, sequences):
        for start in range(0, length, steps):
            yield slice(first, first + sequences), slice(start, start + steps)
