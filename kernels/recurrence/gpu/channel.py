"""Scores and their gradients where every key channel has its own decay.

The chunk is cut into blocks of 16 rows. Between two blocks the factors take the running sum at the border as reference,
so that both are at most one and the scores are a product; within a block they are summed column by column.
"""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0915, PLR0917, C901
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import put, row, tile, vector
from kernels.recurrence.gpu.tuning import raced


@triton.jit
def fade(upper, lower):
    """exp(upper - lower), at most one: rows outside the chunk hold no running sum and must not overflow."""
    return tl.exp(tl.minimum(upper - lower, 0.0))


@triton.jit
def block_rows(start, end, block):
    """Rows of one block of 16 in a chunk: (token [16], inside [16])."""
    rows = start + block * 16 + tl.arange(0, 16)
    return rows, rows < end


@raced(2, (1, 3), (4, 3))
@triton.jit
def channel_scores_kernel(
    q, k, g, beta, scores, links, chunks, H, D,
    DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """As `scores_kernel`, for one block of rows; what lies above the diagonal is left as it was (zero)."""
    chunk, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    token, inside = block_rows(start, end, block)
    strength = tl.zeros([16], dtype=tl.float32)
    if DELTA:
        strength = vector(beta, token, inside, head, H)
    border = tl.maximum(start + block * 16 - 1, 0)
    for other in range(block):
        earlier, present = block_rows(start, end, other)
        product = tl.zeros([16, 16], dtype=tl.float32)
        key_product = tl.zeros([16, 16], dtype=tl.float32)
        for first in range(0, D, BD):
            column = first + tl.arange(0, BD)
            reference = row(g, border, head, H, column, D)[None, :]
            down = fade(tile(g, token, inside, head, H, column, D), reference)
            keys = tile(k, earlier, present, head, H, column, D)
            keys = (keys * fade(reference, tile(g, earlier, present, head, H, column, D))).to(k.dtype.element_ty)
            queries = (tile(q, token, inside, head, H, column, D) * down).to(q.dtype.element_ty)
            product += tl.dot(queries, tl.trans(keys), input_precision=PRECISION)
            if DELTA:
                readers = (tile(k, token, inside, head, H, column, D) * down).to(k.dtype.element_ty)
                key_product += tl.dot(readers, tl.trans(keys), input_precision=PRECISION)
        put(scores, product, token, inside, head, H, other * 16 + index, C)
        if DELTA:
            put(links, key_product * strength[:, None], token, inside, head, H, other * 16 + index, C)
    product = tl.zeros([16, 16], dtype=tl.float32)
    key_product = tl.zeros([16, 16], dtype=tl.float32)
    for j in range(16):
        now = tl.minimum(start + block * 16 + j, end - 1)
        now = tl.maximum(now, 0)
        score = tl.zeros([16], dtype=tl.float32)
        key_score = tl.zeros([16], dtype=tl.float32)
        for first in range(0, D, BD):
            column = first + tl.arange(0, BD)
            down = fade(tile(g, token, inside, head, H, column, D), row(g, now, head, H, column, D)[None, :])
            down *= row(k, now, head, H, column, D).to(tl.float32)[None, :]
            score += tl.sum(tile(q, token, inside, head, H, column, D) * down, 1)
            if DELTA:
                key_score += tl.sum(tile(k, token, inside, head, H, column, D) * down, 1)
        here = index[None, :] == j
        product = tl.where(here & (index[:, None] >= j), score[:, None], product)
        if DELTA:
            key_product = tl.where(here & (index[:, None] > j), key_score[:, None], key_product)
    put(scores, product, token, inside, head, H, block * 16 + index, C)
    if DELTA:
        put(links, key_product * strength[:, None], token, inside, head, H, block * 16 + index, C)


@raced(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def channel_gradient_kernel(
    q, k, g, d_scores, d_links, d_q, d_k, felt, chunks, H, D,
    DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute what rows, keys and running decay feel of the scores, for one block of rows and some columns."""
    chunk, head = tl.program_id(0), tl.program_id(1)
    block = tl.program_id(2) % (C // 16)
    column = (tl.program_id(2) // (C // 16)) * BD + tl.arange(0, BD)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    token, inside = block_rows(start, end, block)
    sums = tile(g, token, inside, head, H, column, D)
    queries = tile(q, token, inside, head, H, column, D)
    keys = tile(k, token, inside, head, H, column, D)
    reads = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the queries
    key_reads = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the keys where they read
    writes = tl.zeros([16, BD], dtype=tl.float32)  # gradient of the keys where they are read

    border = row(g, tl.maximum(start + block * 16 - 1, 0), head, H, column, D)[None, :]
    for other in range(block):
        earlier, present = block_rows(start, end, other)
        theirs = tile(k, earlier, present, head, H, column, D)
        theirs = (theirs * fade(border, tile(g, earlier, present, head, H, column, D))).to(k.dtype.element_ty)
        slope = tile(d_scores, token, inside, head, H, other * 16 + index, C)
        reads += tl.dot(slope, theirs, input_precision=PRECISION)
        if DELTA:
            slope = tile(d_links, token, inside, head, H, other * 16 + index, C)
            key_reads += tl.dot(slope, theirs, input_precision=PRECISION)
    down = fade(sums, border)
    reads *= down
    key_reads *= down

    edge = row(g, tl.maximum(tl.minimum(start + block * 16 + 15, end - 1), 0), head, H, column, D)[None, :]
    for other in range(block + 1, C // 16):
        later, present = block_rows(start, end, other)
        theirs = fade(tile(g, later, present, head, H, column, D), edge)
        slope = tl.trans(tile(d_scores, later, present, head, H, block * 16 + index, C))
        readers = (tile(q, later, present, head, H, column, D) * theirs).to(q.dtype.element_ty)
        writes += tl.dot(slope, readers, input_precision=PRECISION)
        if DELTA:
            slope = tl.trans(tile(d_links, later, present, head, H, block * 16 + index, C))
            readers = (tile(k, later, present, head, H, column, D) * theirs).to(k.dtype.element_ty)
            writes += tl.dot(slope, readers, input_precision=PRECISION)
    writes *= fade(edge, sums)

    own = tl.zeros([16], dtype=tl.float32)
    slopes = tile(d_scores, token, inside, head, H, block * 16 + index, C).to(tl.float32)
    link_slopes = tl.zeros([16, 16], dtype=tl.float32)
    if DELTA:
        link_slopes = tile(d_links, token, inside, head, H, block * 16 + index, C).to(tl.float32)
    own = tl.sum(tl.where(index[:, None] == index[None, :], slopes, 0.0), 1)
    for j in range(16):
        now = tl.maximum(tl.minimum(start + block * 16 + j, end - 1), 0)
        exists = start + block * 16 + j < end
        their_sums = row(g, now, head, H, column, D)[None, :]
        their_key = row(k, now, head, H, column, D).to(tl.float32)[None, :]
        their_query = row(q, now, head, H, column, D).to(tl.float32)[None, :]
        below = (index > j)[:, None]
        above = (index < j)[:, None] & exists
        down = tl.where(below, fade(sums, their_sums), 0.0) * their_key
        at_column = index[None, :] == j
        reads += tl.sum(tl.where(at_column, slopes, 0.0), 1)[:, None] * down
        up = tl.where(above, fade(their_sums, sums), 0.0)
        at_row = index[:, None] == j
        writes += tl.sum(tl.where(at_row, slopes, 0.0), 0)[:, None] * up * their_query
        if DELTA:
            key_reads += tl.sum(tl.where(at_column, link_slopes, 0.0), 1)[:, None] * down
            writes += tl.sum(tl.where(at_row, link_slopes, 0.0), 0)[:, None] * up * their_key

    put(felt, queries * reads + keys * (key_reads - writes), token, inside, head, H, column, D)
    put(d_q, reads + own[:, None] * keys, token, inside, head, H, column, D)
    put(d_k, key_reads + writes + own[:, None] * queries, token, inside, head, H, column, D)
