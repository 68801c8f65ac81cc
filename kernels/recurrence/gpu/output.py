"""Reading: outputs from entry states and scores, and the gradient that outputs send straight to the writes."""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import place, put, read_tile, state_tile, tile
from kernels.recurrence.gpu.tuning import raced


@raced(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def output_kernel(
    q, g, u, scores, entries, o, chunks, scale, H, K, V,
    DECAY: tl.constexpr, C: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """O = scale ((Q exp(G)) S + P U) for one chunk and some value columns."""
    chunk = tl.program_id(0)
    token, inside, _ = place(chunks, chunk, C)
    head = tl.program_id(1)
    value = tl.program_id(2) * BV + tl.arange(0, BV)
    attention = tile(scores, token, inside, head, H, tl.arange(0, C), C)
    out = tl.dot(attention, tile(u, token, inside, head, H, value, V), input_precision=PRECISION)
    for first in range(0, K, BK):
        key = first + tl.arange(0, BK)
        reads = read_tile(q, g, token, inside, head, H, key, K, DECAY)
        state = state_tile(entries, chunk, head, H, key, K, value, V)
        out += tl.dot(reads, state.to(reads.dtype), input_precision=PRECISION)
    put(o, out * scale, token, inside, head, H, value, V)


@raced(4, (2, 3), (8, 3), (4, 2), (4, 4))
@triton.jit
def local_slopes_kernel(
    scores, d_o, local, chunks, scale, H, V, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr
):
    """P^T (scale dO): what the writes feel of the outputs of their own chunk."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    value = tl.program_id(2) * BV + tl.arange(0, BV)
    attention = tl.trans(tile(scores, token, inside, head, H, tl.arange(0, C), C))
    slopes = tl.dot(attention, tile(d_o, token, inside, head, H, value, V), input_precision=PRECISION)
    put(local, slopes * scale, token, inside, head, H, value, V)
