"""The only sequential kernels: the state from chunk to chunk, and its gradient back."""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import place, put, put_state, read_tile, state_tile, tile, total, write_tile
from kernels.recurrence.gpu.tuning import raced


@raced(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def sweep_kernel(
    k, g, u, removals, first_state, entries, written, final, chunks, sequences, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Carry the state of one sequence and head through its chunks, for some value columns.

    Stores the state at every chunk's start, and for the delta rule the writes U less what the state removes.
    """
    sequence = tl.program_id(0) // H
    head = tl.program_id(0) % H
    key = tl.arange(0, BK)
    value = tl.program_id(1) * BV + tl.arange(0, BV)
    state = state_tile(first_state, sequence, head, H, key, K, value, V)
    begin = tl.load(sequences + 2 * sequence)
    finish = tl.load(sequences + 2 * sequence + 1)
    for chunk in range(begin, finish):
        token, inside, last = place(chunks, chunk, C)
        put_state(entries, state, chunk + tl.zeros([], tl.int32), head, H, key, K, value, V)
        writes = tile(u, token, inside, head, H, value, V)
        if DELTA:
            removal = tile(removals, token, inside, head, H, key, K)
            gone = tl.dot(removal, state.to(removal.dtype), input_precision=PRECISION)
            writes = (writes - gone).to(u.dtype.element_ty)
            put(written, writes, token, inside, head, H, value, V)
        if DECAY:
            state *= tl.exp(total(g, last, head, H, key, K, DECAY))[:, None]
        keys = write_tile(k, g, token, inside, last, head, H, key, K, DECAY)
        state += tl.dot(tl.trans(keys), writes, input_precision=PRECISION)
    put_state(final, state, sequence, head, H, key, K, value, V)


@raced(8, (4, 3), (4, 2), (8, 2))
@triton.jit
def sweep_back_kernel(
    q, k, g, d_o, local, removals, d_final, exits, d_u, d_first, chunks, sequences, scale, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Carry the gradient of the state back through the chunks, for some value columns.

    Stores the gradient of every chunk's exit state, and the gradient of the writes: `local` plus what they feel of it.
    """
    sequence = tl.program_id(0) // H
    head = tl.program_id(0) % H
    key = tl.arange(0, BK)
    value = tl.program_id(1) * BV + tl.arange(0, BV)
    state = state_tile(d_final, sequence, head, H, key, K, value, V)
    begin = tl.load(sequences + 2 * sequence)
    finish = tl.load(sequences + 2 * sequence + 1)
    for back in range(finish - begin):
        chunk = finish - 1 - back
        token, inside, last = place(chunks, chunk, C)
        put_state(exits, state, chunk + tl.zeros([], tl.int32), head, H, key, K, value, V)
        keys = write_tile(k, g, token, inside, last, head, H, key, K, DECAY)
        slopes = tl.dot(keys, state.to(keys.dtype), input_precision=PRECISION)
        slopes = (slopes + tile(local, token, inside, head, H, value, V)).to(d_u.dtype.element_ty)
        put(d_u, slopes, token, inside, head, H, value, V)
        if DECAY:
            state *= tl.exp(total(g, last, head, H, key, K, DECAY))[:, None]
        reads = read_tile(q, g, token, inside, head, H, key, K, DECAY)
        outer = tile(d_o, token, inside, head, H, value, V)
        state += scale * tl.dot(tl.trans(reads), outer, input_precision=PRECISION)
        if DELTA:
            removal = tile(removals, token, inside, head, H, key, K)
            state -= tl.dot(tl.trans(removal), slopes, input_precision=PRECISION)
    put_state(d_first, state, sequence, head, H, key, K, value, V)
