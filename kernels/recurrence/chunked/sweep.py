"""The only sequential part: carrying the state from chunk to chunk, and its gradient back."""

import torch
from torch import Tensor

from kernels.recurrence.chunked.decay import Decay


def sweep_forward(
    decay: Decay, u: Tensor, removals: Tensor | None, state: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """(entry states [M, Dk, Dv] in the dtype of u, final state [G, Dk, Dv] in the dtype of state).

    For the delta rule `u` holds U before the entry state is taken into account, and U = u - removals S is written over
    it. The running state keeps the accumulation dtype.
    """
    same = u.dtype == state.dtype
    writes = _by_step(decay.writes, chunks)
    steps, factors, removed = _by_step(u, chunks), _by_step(decay.carried, chunks), _by_step(removals, chunks)
    entries = u.new_empty(chunks, *state.shape)
    for n in range(chunks):
        entry = entries[n].copy_(state)
        write, step, factor, removal = writes[n], steps[n], factors[n], removed[n]
        assert write is not None and step is not None
        if removal is not None:
            step.baddbmm_(removal, entry, alpha=-1)
        kept = state if factor is None else state * factor
        state = torch.baddbmm(kept, write.mT, step) if same else kept + write.mT @ step
    return entries.flatten(0, 1), state


def sweep_backward(
    decay: Decay, d_u: Tensor, d_entries: Tensor, removals: Tensor | None, d_final: Tensor | None, chunks: int
) -> tuple[Tensor, Tensor]:
    """(gradients of the exit states [M, Dk, Dv] in the dtype of d_u, gradient of the first state [G, Dk, Dv]).

    `d_u` and `d_entries` hold what comes from inside the chunk; the part of `d_u` that comes through the exit state is
    added in place.
    """
    wide = torch.promote_types(d_u.dtype, torch.float32)
    groups = d_entries.shape[0] // chunks
    shape = (groups, *d_entries.shape[1:])
    d_state = d_entries.new_zeros(shape, dtype=wide) if d_final is None else d_final.flatten(0, 1).to(wide)
    writes, factors = _by_step(decay.writes, chunks), _by_step(decay.carried, chunks)
    steps, inner, removed = _by_step(d_u, chunks), _by_step(d_entries, chunks), _by_step(removals, chunks)
    exits = d_u.new_empty(chunks, *shape)
    for n in reversed(range(chunks)):
        leaving = exits[n].copy_(d_state)
        write, step, own, factor, removal = writes[n], steps[n], inner[n], factors[n], removed[n]
        assert write is not None and step is not None and own is not None
        step.baddbmm_(write, leaving)
        d_state = own + d_state if factor is None else torch.addcmul(own.to(wide), d_state, factor)
        if removal is not None:
            d_state = d_state - removal.mT @ step
    return exits.flatten(0, 1), d_state.to(wide)


def _by_step(x: Tensor | None, chunks: int) -> tuple[Tensor | None, ...]:
    """[M, ...] -> one [G, ...] view a chunk, or as many None."""
    return (None,) * chunks if x is None else x.unflatten(0, (chunks, -1)).unbind(0)
