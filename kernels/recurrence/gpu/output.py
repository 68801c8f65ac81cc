"""Outputs from entry states and scores, and the gradient that they send to the writes of their own chunk."""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import chunk_rows, load_read_tile, load_state, load_tile, store_tile
from kernels.recurrence.gpu.tuning import autotuned


@autotuned(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def output_kernel(
    q, sums, u, scores, entries, o, chunks, scale, H, K, V,
    DECAY: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute O = scale ((Q exp(G)) S + P U) for one chunk and some value columns."""
    chunk = tl.program_id(0)
    token, inside, _ = chunk_rows(chunks, chunk, C)
    head = tl.program_id(1)
    value = tl.program_id(2) * BV + tl.arange(0, BV)
    attention = load_tile(scores, token, inside, head, H, tl.arange(0, C), C)
    out = tl.dot(attention, load_tile(u, token, inside, head, H, value, V), input_precision=PRECISION)
    for first in range(0, K, BK):
        key = first + tl.arange(0, BK)
        reads = load_read_tile(q, sums, token, inside, head, H, key, K, DECAY)
        state = load_state(entries, chunk, head, H, key, K, value, V)
        out += tl.dot(reads, state.to(reads.dtype), input_precision=PRECISION)
    store_tile(o, out * scale, token, inside, head, H, value, V)


@autotuned(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def local_gradient_kernel(
    scores, d_o, local_d_u, chunks, scale, H, V, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr
):
    """Compute P^T (scale dO), the gradient of the writes through the outputs of their own chunk."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    value = tl.program_id(2) * BV + tl.arange(0, BV)
    attention = tl.trans(load_tile(scores, token, inside, head, H, tl.arange(0, C), C))
    gradient = tl.dot(attention, load_tile(d_o, token, inside, head, H, value, V), input_precision=PRECISION)
    store_tile(local_d_u, gradient * scale, token, inside, head, H, value, V)
