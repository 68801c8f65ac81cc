"""Gradients of queries, keys and decay, once the gradients of scores and states are there."""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0915, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import head_weights, place, put, running, state_tile, tile, total
from kernels.recurrence.gpu.tuning import raced


# Never eight warps: with Triton 3.6 on an H200 the delta rule's dK then came out wrong, or read where nothing is.
@raced(4, (4, 2), restored=("felt",))
@triton.jit
def gradient_kernel(
    q, k, g, u, d_o, d_v, entries, exits, d_scores, d_links, inner_q, inner_k, d_q, d_k, felt, written, carried,
    chunks, scale, tokens, slots, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """DQ and dK of one chunk and some key columns; what its steps' decay felt, for `decay_gradient_kernel`.

    With a decay a channel, the part that comes through the scores is already in inner_q, inner_k and felt. With one a
    head, each block of columns leaves its share in its own slice of felt, written [blocks, tokens, H] and carried
    [blocks, slots, H].
    """
    chunk = tl.program_id(0)
    token, inside, last = place(chunks, chunk, C)
    head = tl.program_id(1)
    block = tl.program_id(2)
    key = block * BK + tl.arange(0, BK)
    reads = tl.zeros([C, BK], dtype=tl.float32)
    key_reads = tl.zeros([C, BK], dtype=tl.float32)
    writes = tl.zeros([C, BK], dtype=tl.float32)
    kept = tl.zeros([BK], dtype=tl.float32)
    for first in range(0, V, BV):
        value = first + tl.arange(0, BV)
        entry = state_tile(entries, chunk, head, H, key, K, value, V)
        leaving = state_tile(exits, chunk, head, H, key, K, value, V)
        outer = tile(d_o, token, inside, head, H, value, V)
        reads += tl.dot(outer, tl.trans(entry).to(outer.dtype), input_precision=PRECISION)
        wrote = tile(u, token, inside, head, H, value, V)
        writes += tl.dot(wrote, tl.trans(leaving).to(wrote.dtype), input_precision=PRECISION)
        if DELTA:
            slope = tile(d_v, token, inside, head, H, value, V)
            key_reads -= tl.dot(slope, tl.trans(entry).to(slope.dtype), input_precision=PRECISION)
        if DECAY:
            kept += tl.sum(entry.to(tl.float32) * leaving.to(tl.float32), 1)
    reads *= scale
    queries = tile(q, token, inside, head, H, key, K)
    keys = tile(k, token, inside, head, H, key, K)
    if DECAY:
        sums = running(g, token, inside, head, H, key, K, DECAY)
        end = total(g, last, head, H, key, K, DECAY)
        kept *= tl.exp(end)
        shrunk = tl.exp(sums)
        reads *= shrunk
        key_reads *= shrunk
        writes *= tl.exp(tl.minimum(end[None, :] - sums, 0.0))
    touch = keys * writes

    if DECAY == 2:
        own_felt = tile(felt, token, inside, head, H, key, K) + queries * reads + keys * key_reads
        put(felt, own_felt, token, inside, head, H, key, K)
        put(written, touch, token, inside, head, H, key, K)
        tl.store(carried + (chunk * H + head).to(tl.int64) * K + key, kept, mask=key < K)
        put(d_q, reads + tile(inner_q, token, inside, head, H, key, K), token, inside, head, H, key, K)
        through = tile(inner_k, token, inside, head, H, key, K)
        put(d_k, through + writes + key_reads, token, inside, head, H, key, K)
    else:
        index = tl.arange(0, C)
        slopes = tile(d_scores, token, inside, head, H, index, C)
        own = tl.zeros([C], dtype=tl.float32)
        weights = tl.zeros([C, C], dtype=tl.float32)
        if DECAY == 1:
            own = tl.sum(tl.where(index[:, None] == index[None, :], slopes.to(tl.float32), 0.0), 1)
            weights = tl.where(index[:, None] > index[None, :], head_weights(g, token, inside, head, H, C), 0.0)
            slopes = (slopes * weights).to(queries.dtype)
        inner = tl.dot(slopes, keys, input_precision=PRECISION)
        back = tl.dot(tl.trans(slopes), queries, input_precision=PRECISION)
        if DELTA:
            links = tile(d_links, token, inside, head, H, index, C)
            if DECAY == 1:
                links = (links * weights).to(keys.dtype)
            key_reads += tl.dot(links, keys, input_precision=PRECISION)
            back += tl.dot(tl.trans(links), keys, input_precision=PRECISION)
        reads += inner
        if DECAY == 1:
            feeling = tl.sum(queries * reads + keys * (key_reads - back), 1)
            place_of = (block * tokens + token) * H + head
            tl.store(felt + place_of, feeling, mask=inside)
            tl.store(written + place_of, tl.sum(touch, 1), mask=inside)
            tl.store(carried + (block * slots + chunk).to(tl.int64) * H + head, tl.sum(kept, 0))
            reads += own[:, None] * keys
            back += own[:, None] * queries
        put(d_q, reads, token, inside, head, H, key, K)
        put(d_k, writes + key_reads + back, token, inside, head, H, key, K)


@raced(4, (1, 3), (2, 3))
@triton.jit
def decay_gradient_kernel(felt, written, carried, d_g, chunks, H, D, C: tl.constexpr, BD: tl.constexpr):
    """From the gradient of the running sum to that of each step's log decay, for some columns (D = 1: one a head).

    `felt` reaches back to all earlier steps, a write's share to the later ones, the carried state's to all; kept apart
    so that no large terms cancel.
    """
    chunk = tl.program_id(0)
    token, inside, _ = place(chunks, chunk, C)
    head = tl.program_id(1)
    column = tl.program_id(2) * BD + tl.arange(0, BD)
    slope = tl.cumsum(tile(felt, token, inside, head, H, column, D), 0, reverse=True)
    earlier = inside & (tl.arange(0, C) > 0)
    slope += tl.cumsum(tile(written, token - 1, earlier, head, H, column, D), 0)
    all_steps = tl.load(carried + (chunk * H + head).to(tl.int64) * D + column, mask=column < D, other=0.0)
    put(d_g, slope + all_steps[None, :], token, inside, head, H, column, D)
