"""Gradients of queries, keys and decay from the gradients of scores and states."""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0915, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import (
    chunk_rows,
    head_weights,
    load_state,
    load_sums,
    load_tile,
    load_total,
    store_tile,
)
from kernels.recurrence.gpu.tuning import autotuned


# Never eight warps: with Triton 3.6 on an H200 the delta rule's dK was then wrong, or the kernel read out of bounds.
@autotuned(4, (4, 2), restored=("d_sums",))
@triton.jit
def gradient_kernel(
    q, k, sums, u, d_o, d_v, entries, d_exits, d_scores, d_key_scores, score_d_q, score_d_k, d_q, d_k, d_sums, d_tails,
    d_totals, chunks, scale, tokens, slots, H, K, V,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute dQ and dK of one chunk and some key columns, and the gradients that `decay_gradient_kernel` needs.

    These are of the running sums G (d_sums), of the tails G_C - G (d_tails) and of the totals G_C (d_totals). With one
    decay a channel, score_d_q, score_d_k and d_sums already hold the part through the scores. With one a head, each
    block of columns stores its share in its own slice of d_sums and d_tails [blocks, tokens, H] and of d_totals
    [blocks, slots, H].
    """
    chunk = tl.program_id(0)
    token, inside, last = chunk_rows(chunks, chunk, C)
    head = tl.program_id(1)
    block = tl.program_id(2)
    key = block * BK + tl.arange(0, BK)
    d_reads = tl.zeros([C, BK], dtype=tl.float32)  # gradient of the queries
    d_key_reads = tl.zeros([C, BK], dtype=tl.float32)  # gradient of the keys as readers
    d_writes = tl.zeros([C, BK], dtype=tl.float32)  # gradient of the keys as writers
    d_total = tl.zeros([BK], dtype=tl.float32)
    for first in range(0, V, BV):
        value = first + tl.arange(0, BV)
        entry = load_state(entries, chunk, head, H, key, K, value, V)
        d_exit = load_state(d_exits, chunk, head, H, key, K, value, V)
        d_outputs = load_tile(d_o, token, inside, head, H, value, V)
        d_reads += tl.dot(d_outputs, tl.trans(entry).to(d_outputs.dtype), input_precision=PRECISION)
        writes = load_tile(u, token, inside, head, H, value, V)
        d_writes += tl.dot(writes, tl.trans(d_exit).to(writes.dtype), input_precision=PRECISION)
        if DELTA:
            d_values = load_tile(d_v, token, inside, head, H, value, V)
            d_key_reads -= tl.dot(d_values, tl.trans(entry).to(d_values.dtype), input_precision=PRECISION)
        if DECAY:
            d_total += tl.sum(entry.to(tl.float32) * d_exit.to(tl.float32), 1)
    d_reads *= scale
    queries = load_tile(q, token, inside, head, H, key, K)
    keys = load_tile(k, token, inside, head, H, key, K)
    if DECAY:
        row_sums = load_sums(sums, token, inside, head, H, key, K, DECAY)
        total = load_total(sums, last, head, H, key, K, DECAY)
        d_total *= tl.exp(total)
        read_decay = tl.exp(row_sums)
        d_reads *= read_decay
        d_key_reads *= read_decay
        d_writes *= tl.exp(tl.minimum(total[None, :] - row_sums, 0.0))
    d_tail = keys * d_writes
    if DECAY == 2:
        d_sum = load_tile(d_sums, token, inside, head, H, key, K) + queries * d_reads + keys * d_key_reads
        store_tile(d_sums, d_sum, token, inside, head, H, key, K)
        store_tile(d_tails, d_tail, token, inside, head, H, key, K)
        tl.store(d_totals + (chunk * H + head).to(tl.int64) * K + key, d_total, mask=key < K)
        store_tile(d_q, d_reads + load_tile(score_d_q, token, inside, head, H, key, K), token, inside, head, H, key, K)
        d_scored_keys = load_tile(score_d_k, token, inside, head, H, key, K)
        store_tile(d_k, d_scored_keys + d_writes + d_key_reads, token, inside, head, H, key, K)
    else:
        index = tl.arange(0, C)
        row_d_scores = load_tile(d_scores, token, inside, head, H, index, C)
        diagonal = tl.zeros([C], dtype=tl.float32)
        weights = tl.zeros([C, C], dtype=tl.float32)
        if DECAY == 1:
            diagonal = tl.sum(tl.where(index[:, None] == index[None, :], row_d_scores.to(tl.float32), 0.0), 1)
            weights = tl.where(index[:, None] > index[None, :], head_weights(sums, token, inside, head, H, C), 0.0)
            row_d_scores = (row_d_scores * weights).to(queries.dtype)
        d_local_reads = tl.dot(row_d_scores, keys, input_precision=PRECISION)
        d_scored_keys = tl.dot(tl.trans(row_d_scores), queries, input_precision=PRECISION)
        if DELTA:
            row_d_key_scores = load_tile(d_key_scores, token, inside, head, H, index, C)
            if DECAY == 1:
                row_d_key_scores = (row_d_key_scores * weights).to(keys.dtype)
            d_key_reads += tl.dot(row_d_key_scores, keys, input_precision=PRECISION)
            d_scored_keys += tl.dot(tl.trans(row_d_key_scores), keys, input_precision=PRECISION)
        d_reads += d_local_reads
        if DECAY == 1:
            d_sum = tl.sum(queries * d_reads + keys * (d_key_reads - d_scored_keys), 1)
            offset = (block * tokens + token) * H + head
            tl.store(d_sums + offset, d_sum, mask=inside)
            tl.store(d_tails + offset, tl.sum(d_tail, 1), mask=inside)
            tl.store(d_totals + (block * slots + chunk).to(tl.int64) * H + head, tl.sum(d_total, 0))
            d_reads += diagonal[:, None] * keys
            d_scored_keys += diagonal[:, None] * queries
        store_tile(d_q, d_reads, token, inside, head, H, key, K)
        store_tile(d_k, d_writes + d_key_reads + d_scored_keys, token, inside, head, H, key, K)


@autotuned(4, (1, 3), (2, 3))
@triton.jit
def decay_gradient_kernel(d_sums, d_tails, d_totals, d_g, chunks, H, D, C: tl.constexpr, BD: tl.constexpr):
    """Compute the gradient of each step's log decay for some columns (D = 1: one decay a head).

    Step t is part of the running sums from t on, of the tails of the writes before it, and of the chunk's total. The
    three are kept apart so that no large terms cancel.
    """
    chunk = tl.program_id(0)
    token, inside, _ = chunk_rows(chunks, chunk, C)
    head = tl.program_id(1)
    column = tl.program_id(2) * BD + tl.arange(0, BD)
    gradient = tl.cumsum(load_tile(d_sums, token, inside, head, H, column, D), 0, reverse=True)
    after_first = inside & (tl.arange(0, C) > 0)
    gradient += tl.cumsum(load_tile(d_tails, token - 1, after_first, head, H, column, D), 0)
    d_total = tl.load(d_totals + (chunk * H + head).to(tl.int64) * D + column, mask=column < D, other=0.0)
    store_tile(d_g, gradient + d_total[None, :], token, inside, head, H, column, D)
