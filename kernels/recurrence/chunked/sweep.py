"""The only sequential part of the chunk form: the state from chunk to chunk, and its gradient back."""

import torch
from torch import Tensor

from kernels.recurrence.chunked.decay import Decay


def sweep_forward(
    decay: Decay, u: Tensor, removals: Tensor | None, state: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """Return (entry states [M, Dk, Dv], final state [BH, Dk, Dv]) from the first state [BH, Dk, Dv].

    u [M, C, Dv] are the writes. For the delta rule they are passed as if every entry state were zero, and overwritten
    by u - removals S, with removals [M, C, Dk].
    """
    write_keys, state_decays = _by_chunk(decay.write_keys, chunks), _by_chunk(decay.state_decay, chunks)
    writes, removals_of = _by_chunk(u, chunks), _by_chunk(removals, chunks)
    # One buffer of chunks + 1 states: the exit state of a chunk is the entry state of the next.
    states = u.new_empty(chunks + 1, *state.shape)
    states[0].copy_(state)
    slots = states.unbind(0)
    for n in range(chunks):
        keys, write, factor, removal = write_keys[n], writes[n], state_decays[n], removals_of[n]
        assert keys is not None
        assert write is not None
        if removal is not None:
            write.baddbmm_(removal, slots[n], alpha=-1)
        if factor is None:
            torch.baddbmm(slots[n], keys.mT, write, out=slots[n + 1])
        else:
            torch.mul(slots[n], factor, out=slots[n + 1]).baddbmm_(keys.mT, write)
    return states[:-1].flatten(0, 1), states[-1]


def sweep_backward(
    decay: Decay, d_u: Tensor, d_entries: Tensor, removals: Tensor | None, d_final: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """Return (gradients of the exit states [M, Dk, Dv], gradient of the first state [BH, Dk, Dv]).

    d_u [M, C, Dv] and d_entries [M, Dk, Dv] are passed as gradients through the outputs of the same chunk; the part
    through the exit state is added to d_u in place. d_final: gradient of the final state, [BH, Dk, Dv].
    """
    write_keys, state_decays = _by_chunk(decay.write_keys, chunks), _by_chunk(decay.state_decay, chunks)
    d_writes, d_local, removals_of = (_by_chunk(x, chunks) for x in (d_u, d_entries, removals))
    d_exits = d_u.new_empty(chunks, d_entries.shape[0] // chunks, *d_entries.shape[1:])
    slots = d_exits.unbind(0)
    slots[-1].copy_(d_final)
    d_state = slots[-1]
    for n in reversed(range(chunks)):
        keys, d_write, local, factor, removal = write_keys[n], d_writes[n], d_local[n], state_decays[n], removals_of[n]
        assert keys is not None
        assert d_write is not None
        assert local is not None
        d_write.baddbmm_(keys, slots[n])
        d_state = slots[n - 1] if n else torch.empty_like(slots[0])
        if factor is None:
            torch.add(local, slots[n], out=d_state)
        else:
            torch.addcmul(local, slots[n], factor, out=d_state)
        if removal is not None:
            d_state.baddbmm_(removal.mT, d_write, alpha=-1)
    return d_exits.flatten(0, 1), d_state


def _by_chunk(x: Tensor | None, chunks: int) -> tuple[Tensor | None, ...]:
    """Return one view [BH, ...] a chunk of x [M, ...], or one None a chunk."""
    return (None,) * chunks if x is None else x.unflatten(0, (chunks, -1)).unbind(0)
