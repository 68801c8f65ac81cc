"""The only sequential part: carrying the state from chunk to chunk, and its gradient back."""

import torch
from torch import Tensor

from kernels.recurrence.chunked.decay import Decay


def sweep_forward(
    decay: Decay, u: Tensor, removals: Tensor | None, state: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """(entry states [M, Dk, Dv], final state [G, Dk, Dv]) from the first state [G, Dk, Dv].

    For the delta rule `u` holds U before the entry state is taken into account, and U = u - removals S is written over
    it.
    """
    writes = _by_step(decay.writes, chunks)
    steps, factors, removed = _by_step(u, chunks), _by_step(decay.carried, chunks), _by_step(removals, chunks)
    # One buffer of chunks + 1 states: what leaves a chunk enters the next.
    states = u.new_empty(chunks + 1, *state.shape)
    states[0].copy_(state)
    slots = states.unbind(0)
    for n in range(chunks):
        entry, leaving, write, step, factor, removal = (
            slots[n],
            slots[n + 1],
            writes[n],
            steps[n],
            factors[n],
            removed[n],
        )
        assert write is not None
        assert step is not None
        if removal is not None:
            step.baddbmm_(removal, entry, alpha=-1)
        if factor is None:
            torch.baddbmm(entry, write.mT, step, out=leaving)
        else:
            torch.mul(entry, factor, out=leaving).baddbmm_(write.mT, step)
    return states[:-1].flatten(0, 1), states[-1]


def sweep_backward(
    decay: Decay, d_u: Tensor, d_entries: Tensor, removals: Tensor | None, d_final: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """(gradients of the exit states [M, Dk, Dv], gradient of the first state [G, Dk, Dv]).

    `d_u` and `d_entries` hold what comes from inside the chunk; what comes through the exit state is added in place.
    """
    groups = d_entries.shape[0] // chunks
    writes, factors = _by_step(decay.writes, chunks), _by_step(decay.carried, chunks)
    steps, inner, removed = _by_step(d_u, chunks), _by_step(d_entries, chunks), _by_step(removals, chunks)
    exits = d_u.new_empty(chunks, groups, *d_entries.shape[1:])
    slots = exits.unbind(0)
    slots[-1].copy_(d_final)
    d_state = slots[-1]
    for n in reversed(range(chunks)):
        write, step, own, factor, removal = writes[n], steps[n], inner[n], factors[n], removed[n]
        assert write is not None
        assert step is not None
        assert own is not None
        step.baddbmm_(write, slots[n])
        d_state = slots[n - 1] if n else torch.empty_like(slots[0])
        if factor is None:
            torch.add(own, slots[n], out=d_state)
        else:
            torch.addcmul(own, slots[n], factor, out=d_state)
        if removal is not None:
            d_state.baddbmm_(removal.mT, step, alpha=-1)
    return exits.flatten(0, 1), d_state


def _by_step(x: Tensor | None, chunks: int) -> tuple[Tensor | None, ...]:
    """[M, ...] -> one [G, ...] view a chunk, or as many None."""
    return (None,) * chunks if x is None else x.unflatten(0, (chunks, -1)).unbind(0)
