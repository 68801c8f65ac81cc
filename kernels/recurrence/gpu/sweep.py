"""The only sequential kernels: the state from chunk to chunk, and its gradient back."""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import (
    chunk_rows,
    load_read_tile,
    load_state,
    load_tile,
    load_total,
    load_write_tile,
    store_state,
    store_tile,
)
from kernels.recurrence.gpu.tuning import autotuned


@autotuned(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def sweep_kernel(
    k, sums, first_u, removals, first_state, entries, u, final, chunks, sequences, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Carry the state of one sequence and head through its chunks, for some value columns.

    It stores the state at every chunk's start. For the delta rule it also stores the writes u: first_u, the writes for
    an empty entry state, less the removals times the state.
    """
    sequence = tl.program_id(0) // H
    head = tl.program_id(0) % H
    key = tl.arange(0, BK)
    value = tl.program_id(1) * BV + tl.arange(0, BV)
    state = load_state(first_state, sequence, head, H, key, K, value, V)
    begin = tl.load(sequences + 2 * sequence)
    finish = tl.load(sequences + 2 * sequence + 1)
    for chunk in range(begin, finish):
        token, inside, last = chunk_rows(chunks, chunk, C)
        store_state(entries, state, chunk + tl.zeros([], tl.int32), head, H, key, K, value, V)
        writes = load_tile(first_u, token, inside, head, H, value, V)
        if DELTA:
            removal = load_tile(removals, token, inside, head, H, key, K)
            product = tl.dot(removal, state.to(removal.dtype), input_precision=PRECISION)
            writes = (writes - product).to(first_u.dtype.element_ty)
            store_tile(u, writes, token, inside, head, H, value, V)
        if DECAY:
            state *= tl.exp(load_total(sums, last, head, H, key, K, DECAY))[:, None]
        keys = load_write_tile(k, sums, token, inside, last, head, H, key, K, DECAY)
        state += tl.dot(tl.trans(keys), writes, input_precision=PRECISION)
    store_state(final, state, sequence, head, H, key, K, value, V)


@autotuned(8, (4, 3), (4, 2), (8, 2))
@triton.jit
def sweep_gradient_kernel(
    q, k, sums, d_o, local_d_u, removals, d_final, d_exits, d_u, d_first, chunks, sequences, scale, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Carry the gradient of the state back through the chunks, for some value columns.

    It stores the gradient of every chunk's exit state and the gradient of the writes. That is local_d_u, the part
    through the outputs of their own chunk, plus the part through the exit state.
    """
    sequence = tl.program_id(0) // H
    head = tl.program_id(0) % H
    key = tl.arange(0, BK)
    value = tl.program_id(1) * BV + tl.arange(0, BV)
    d_state = load_state(d_final, sequence, head, H, key, K, value, V)
    begin = tl.load(sequences + 2 * sequence)
    finish = tl.load(sequences + 2 * sequence + 1)
    for back in range(finish - begin):
        chunk = finish - 1 - back
        token, inside, last = chunk_rows(chunks, chunk, C)
        store_state(d_exits, d_state, chunk + tl.zeros([], tl.int32), head, H, key, K, value, V)
        keys = load_write_tile(k, sums, token, inside, last, head, H, key, K, DECAY)
        d_writes = tl.dot(keys, d_state.to(keys.dtype), input_precision=PRECISION)
        d_writes = (d_writes + load_tile(local_d_u, token, inside, head, H, value, V)).to(d_u.dtype.element_ty)
        store_tile(d_u, d_writes, token, inside, head, H, value, V)
        if DECAY:
            d_state *= tl.exp(load_total(sums, last, head, H, key, K, DECAY))[:, None]
        reads = load_read_tile(q, sums, token, inside, head, H, key, K, DECAY)
        d_outputs = load_tile(d_o, token, inside, head, H, value, V)
        d_state += scale * tl.dot(tl.trans(reads), d_outputs, input_precision=PRECISION)
        if DELTA:
            removal = load_tile(removals, token, inside, head, H, key, K)
            d_state -= tl.dot(tl.trans(removal), d_writes, input_precision=PRECISION)
    store_state(d_first, d_state, sequence, head, H, key, K, value, V)
