"""Running sums of the log decay, and scores where the decay is none or one a head."""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import head_weights, place, put, tile, vector
from kernels.recurrence.gpu.tuning import raced


@raced(4, (1, 3), (2, 3))
@triton.jit
def running_sum_kernel(g, sums, chunks, H, D, C: tl.constexpr, BD: tl.constexpr):
    """G = running sum of g [tokens, H, D] within the chunk, one decay a head having D = 1."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    column = tl.program_id(2) * BD + tl.arange(0, BD)
    put(sums, tl.cumsum(tile(g, token, inside, head, H, column, D), 0), token, inside, head, H, column, D)


@raced(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def scores_kernel(
    q, k, g, beta, scores, links, chunks, H, D,
    DECAY: tl.constexpr, DELTA: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """P (queries on keys, lower) and, for the delta rule, A (keys on keys, strictly lower, rows times beta)."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    product = tl.zeros([C, C], dtype=tl.float32)
    key_product = tl.zeros([C, C], dtype=tl.float32)
    for first in range(0, D, BD):
        column = first + tl.arange(0, BD)
        keys = tl.trans(tile(k, token, inside, head, H, column, D))
        product += tl.dot(tile(q, token, inside, head, H, column, D), keys, input_precision=PRECISION)
        if DELTA:
            key_product += tl.dot(tile(k, token, inside, head, H, column, D), keys, input_precision=PRECISION)
    if DECAY:
        weights = head_weights(g, token, inside, head, H, C)
        product *= weights
        key_product *= weights
    index = tl.arange(0, C)
    lower = tl.where(index[:, None] >= index[None, :], product, 0.0)
    put(scores, lower, token, inside, head, H, index, C)
    if DELTA:
        key_product *= vector(beta, token, inside, head, H)[:, None]
        strict = tl.where(index[:, None] > index[None, :], key_product, 0.0)
        put(links, strict, token, inside, head, H, index, C)


@raced(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def score_slopes_kernel(
    d_o, d_v, u, d_scores, d_links, chunks, scale, H, V,
    DELTA: tl.constexpr, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of P and of the unscaled key scores: lower(scale dO U^T) and strictly lower(-dV U^T)."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    product = tl.zeros([C, C], dtype=tl.float32)
    key_product = tl.zeros([C, C], dtype=tl.float32)
    for first in range(0, V, BV):
        column = first + tl.arange(0, BV)
        writes = tl.trans(tile(u, token, inside, head, H, column, V))
        product += tl.dot(tile(d_o, token, inside, head, H, column, V), writes, input_precision=PRECISION)
        if DELTA:
            key_product += tl.dot(tile(d_v, token, inside, head, H, column, V), writes, input_precision=PRECISION)
    index = tl.arange(0, C)
    lower = tl.where(index[:, None] >= index[None, :], product * scale, 0.0)
    put(d_scores, lower, token, inside, head, H, index, C)
    if DELTA:
        put(d_links, tl.where(index[:, None] > index[None, :], -key_product, 0.0), token, inside, head, H, index, C)
