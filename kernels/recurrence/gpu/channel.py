"""Scores and their gradients with a decay of its own for every key channel.

The chunk is cut into blocks of 16 rows. Between two blocks the factors take the running sum at the border as reference,
so that both are at most one and the scores are a product. Within a block the scores are summed column by column.
"""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0915, PLR0917, C901
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import load_row, load_tile, load_vector, store_tile
from kernels.recurrence.gpu.tuning import autotuned


@triton.jit
def decay_between(upper, lower):
    """Return exp(upper - lower), at most one: rows outside the chunk hold no running sum and must not overflow."""
    return tl.exp(tl.minimum(upper - lower, 0.0))


@triton.jit
def block_rows(start, end, block):
    """Return the rows of one block of 16 in a chunk: (token [16], inside [16])."""
    rows = start + block * 16 + tl.arange(0, 16)
    return rows, rows < end


@autotuned(2, (1, 3), (4, 3))
@triton.jit
def channel_scores_kernel(
    q, k, sums, beta, scores, key_scores, chunks, H, D,
    DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute P and A as `scores_kernel` does, for one block of rows; entries above the diagonal stay zero."""
    chunk, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    token, inside = block_rows(start, end, block)
    strength = tl.zeros([16], dtype=tl.float32)
    if DELTA:
        strength = load_vector(beta, token, inside, head, H)
    border = tl.maximum(start + block * 16 - 1, 0)
    for other in range(block):
        earlier, present = block_rows(start, end, other)
        product = tl.zeros([16, 16], dtype=tl.float32)
        key_product = tl.zeros([16, 16], dtype=tl.float32)
        for first in range(0, D, BD):
            column = first + tl.arange(0, BD)
            reference = load_row(sums, border, head, H, column, D)[None, :]
            down = decay_between(load_tile(sums, token, inside, head, H, column, D), reference)
            keys = load_tile(k, earlier, present, head, H, column, D)
            up = decay_between(reference, load_tile(sums, earlier, present, head, H, column, D))
            keys = (keys * up).to(k.dtype.element_ty)
            queries = (load_tile(q, token, inside, head, H, column, D) * down).to(q.dtype.element_ty)
            product += tl.dot(queries, tl.trans(keys), input_precision=PRECISION)
            if DELTA:
                readers = (load_tile(k, token, inside, head, H, column, D) * down).to(k.dtype.element_ty)
                key_product += tl.dot(readers, tl.trans(keys), input_precision=PRECISION)
        store_tile(scores, product, token, inside, head, H, other * 16 + index, C)
        if DELTA:
            store_tile(key_scores, key_product * strength[:, None], token, inside, head, H, other * 16 + index, C)
    product = tl.zeros([16, 16], dtype=tl.float32)
    key_product = tl.zeros([16, 16], dtype=tl.float32)
    for j in range(16):
        step = tl.minimum(start + block * 16 + j, end - 1)
        step = tl.maximum(step, 0)
        score = tl.zeros([16], dtype=tl.float32)
        key_score = tl.zeros([16], dtype=tl.float32)
        for first in range(0, D, BD):
            column = first + tl.arange(0, BD)
            row_sums = load_tile(sums, token, inside, head, H, column, D)
            weighted = decay_between(row_sums, load_row(sums, step, head, H, column, D)[None, :])
            weighted *= load_row(k, step, head, H, column, D).to(tl.float32)[None, :]
            score += tl.sum(load_tile(q, token, inside, head, H, column, D) * weighted, 1)
            if DELTA:
                key_score += tl.sum(load_tile(k, token, inside, head, H, column, D) * weighted, 1)
        at_column = index[None, :] == j
        product = tl.where(at_column & (index[:, None] >= j), score[:, None], product)
        if DELTA:
            key_product = tl.where(at_column & (index[:, None] > j), key_score[:, None], key_product)
    store_tile(scores, product, token, inside, head, H, block * 16 + index, C)
    if DELTA:
        store_tile(key_scores, key_product * strength[:, None], token, inside, head, H, block * 16 + index, C)


@autotuned(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def channel_gradient_kernel(
    q, k, sums, d_scores, d_key_scores, d_q, d_k, d_sums, chunks, H, D,
    DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of queries, keys and running sums through the scores, for one block of rows and columns."""
    chunk, head = tl.program_id(0), tl.program_id(1)
    block = tl.program_id(2) % (C // 16)
    column = (tl.program_id(2) // (C // 16)) * BD + tl.arange(0, BD)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    token, inside = block_rows(start, end, block)
    row_sums = load_tile(sums, token, inside, head, H, column, D)
    queries = load_tile(q, token, inside, head, H, column, D)
    keys = load_tile(k, token, inside, head, H, column, D)
    d_reads = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the queries
    d_key_reads = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the keys as readers
    d_writes = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the keys as writers

    # Earlier blocks: these rows read their keys.
    border = load_row(sums, tl.maximum(start + block * 16 - 1, 0), head, H, column, D)[None, :]
    for other in range(block):
        earlier, present = block_rows(start, end, other)
        writers = load_tile(k, earlier, present, head, H, column, D)
        up = decay_between(border, load_tile(sums, earlier, present, head, H, column, D))
        writers = (writers * up).to(k.dtype.element_ty)
        gradient = load_tile(d_scores, token, inside, head, H, other * 16 + index, C)
        d_reads += tl.dot(gradient, writers, input_precision=PRECISION)
        if DELTA:
            gradient = load_tile(d_key_scores, token, inside, head, H, other * 16 + index, C)
            d_key_reads += tl.dot(gradient, writers, input_precision=PRECISION)
    down = decay_between(row_sums, border)
    d_reads *= down
    d_key_reads *= down

    # Later blocks: they read these keys.
    edge = load_row(sums, tl.maximum(tl.minimum(start + block * 16 + 15, end - 1), 0), head, H, column, D)[None, :]
    for other in range(block + 1, C // 16):
        later, present = block_rows(start, end, other)
        factor = decay_between(load_tile(sums, later, present, head, H, column, D), edge)
        gradient = tl.trans(load_tile(d_scores, later, present, head, H, block * 16 + index, C))
        readers = (load_tile(q, later, present, head, H, column, D) * factor).to(q.dtype.element_ty)
        d_writes += tl.dot(gradient, readers, input_precision=PRECISION)
        if DELTA:
            gradient = tl.trans(load_tile(d_key_scores, later, present, head, H, block * 16 + index, C))
            readers = (load_tile(k, later, present, head, H, column, D) * factor).to(k.dtype.element_ty)
            d_writes += tl.dot(gradient, readers, input_precision=PRECISION)
    d_writes *= decay_between(edge, row_sums)

    # The same block, column by column. Its diagonal has no decay and stays out of d_sums.
    diagonal = tl.zeros([16], dtype=tl.float32)
    block_d_scores = load_tile(d_scores, token, inside, head, H, block * 16 + index, C).to(tl.float32)
    block_d_key_scores = tl.zeros([16, 16], dtype=tl.float32)
    if DELTA:
        block_d_key_scores = load_tile(d_key_scores, token, inside, head, H, block * 16 + index, C).to(tl.float32)
    diagonal = tl.sum(tl.where(index[:, None] == index[None, :], block_d_scores, 0.0), 1)
    for j in range(16):
        step = tl.maximum(tl.minimum(start + block * 16 + j, end - 1), 0)
        exists = start + block * 16 + j < end
        step_sums = load_row(sums, step, head, H, column, D)[None, :]
        step_key = load_row(k, step, head, H, column, D).to(tl.float32)[None, :]
        step_query = load_row(q, step, head, H, column, D).to(tl.float32)[None, :]
        below = (index > j)[:, None]
        above = (index < j)[:, None] & exists
        down = tl.where(below, decay_between(row_sums, step_sums), 0.0) * step_key
        at_column = index[None, :] == j
        d_reads += tl.sum(tl.where(at_column, block_d_scores, 0.0), 1)[:, None] * down
        up = tl.where(above, decay_between(step_sums, row_sums), 0.0)
        at_row = index[:, None] == j
        d_writes += tl.sum(tl.where(at_row, block_d_scores, 0.0), 0)[:, None] * up * step_query
        if DELTA:
            d_key_reads += tl.sum(tl.where(at_column, block_d_key_scores, 0.0), 1)[:, None] * down
            d_writes += tl.sum(tl.where(at_row, block_d_key_scores, 0.0), 0)[:, None] * up * step_key

    d_sum = queries * d_reads + keys * (d_key_reads - d_writes)
    store_tile(d_sums, d_sum, token, inside, head, H, column, D)
    store_tile(d_q, d_reads + diagonal[:, None] * keys, token, inside, head, H, column, D)
    store_tile(d_k, d_key_reads + d_writes + diagonal[:, None] * queries, token, inside, head, H, column, D)
