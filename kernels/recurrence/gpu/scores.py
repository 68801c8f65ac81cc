"""Running sums of the log decay, and scores without decay or with one decay a head."""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import chunk_rows, head_weights, load_tile, load_vector, store_tile
from kernels.recurrence.gpu.tuning import autotuned


@autotuned(4, (1, 3), (2, 3))
@triton.jit
def running_sum_kernel(g, sums, chunks, H, D, C: tl.constexpr, BD: tl.constexpr):
    """Compute G, the running sum of log decay g [tokens, H, D] within the chunk; D = 1 for one decay a head."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    column = tl.program_id(2) * BD + tl.arange(0, BD)
    running = tl.cumsum(load_tile(g, token, inside, head, H, column, D), 0)
    store_tile(sums, running, token, inside, head, H, column, D)


@autotuned(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def scores_kernel(
    q, k, sums, beta, scores, key_scores, chunks, H, D,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute P (queries on keys, lower) and, for the delta rule, A (keys on keys, strictly lower, rows times beta)."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    product = tl.zeros([C, C], dtype=tl.float32)
    key_product = tl.zeros([C, C], dtype=tl.float32)
    for first in range(0, D, BD):
        column = first + tl.arange(0, BD)
        keys = tl.trans(load_tile(k, token, inside, head, H, column, D))
        product += tl.dot(load_tile(q, token, inside, head, H, column, D), keys, input_precision=PRECISION)
        if DELTA:
            key_product += tl.dot(load_tile(k, token, inside, head, H, column, D), keys, input_precision=PRECISION)
    if DECAY:
        weights = head_weights(sums, token, inside, head, H, C)
        product *= weights
        key_product *= weights
    index = tl.arange(0, C)
    lower = tl.where(index[:, None] >= index[None, :], product, 0.0)
    store_tile(scores, lower, token, inside, head, H, index, C)
    if DELTA:
        key_product *= load_vector(beta, token, inside, head, H)[:, None]
        strict = tl.where(index[:, None] > index[None, :], key_product, 0.0)
        store_tile(key_scores, strict, token, inside, head, H, index, C)


@autotuned(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def score_gradient_kernel(
    d_o, d_v, u, d_scores, d_key_scores, chunks, scale, H, V,
    DELTA: tl.constexpr, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of P and of the unscaled key scores: lower(scale dO U^T) and strictly lower(-dV U^T)."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    product = tl.zeros([C, C], dtype=tl.float32)
    key_product = tl.zeros([C, C], dtype=tl.float32)
    for first in range(0, V, BV):
        column = first + tl.arange(0, BV)
        writes = tl.trans(load_tile(u, token, inside, head, H, column, V))
        product += tl.dot(load_tile(d_o, token, inside, head, H, column, V), writes, input_precision=PRECISION)
        if DELTA:
            key_product += tl.dot(load_tile(d_v, token, inside, head, H, column, V), writes, input_precision=PRECISION)
    index = tl.arange(0, C)
    lower = tl.where(index[:, None] >= index[None, :], product * scale, 0.0)
    store_tile(d_scores, lower, token, inside, head, H, index, C)
    if DELTA:
        strict = tl.where(index[:, None] > index[None, :], -key_product, 0.0)
        store_tile(d_key_scores, strict, token, inside, head, H, index, C)
