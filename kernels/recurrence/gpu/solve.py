"""The delta rule inside a chunk: the inverse (I + A)^-1, what it makes of values and keys, and their gradients."""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import place, put, read_tile, tile, vector
from kernels.recurrence.gpu.tuning import raced


@raced(1, (2, 3), (4, 3))
@triton.jit
def inverse_kernel(links, inverse, chunks, H, C: tl.constexpr):
    """(I + A)^-1 by blocks of 16, row of blocks by row of blocks, in fp32; above the diagonal stays zero.

    Blocks already finished are read back from memory, hence the barriers.
    """
    chunk, head = tl.program_id(0), tl.program_id(1)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    for block in range(C // 16):
        token = start + block * 16 + index
        inside = token < end
        strict = tile(links, token, inside, head, H, block * 16 + index, C)
        own = (index[:, None] == index[None, :]).to(tl.float32)
        for i in range(1, 16):
            # Row i of the inverse is e_i - sum_j A_ij (row j of the inverse), rows above i being finished.
            coefficients = tl.sum(tl.where(index[:, None] == i, strict, 0.0), 0)
            finished = tl.sum(coefficients[:, None] * own, 0)
            own = tl.where(index[:, None] == i, own - finished[None, :], own)
        put(inverse, own, token, inside, head, H, block * 16 + index, C)
        for other in range(block):
            gathered = tl.zeros([16, 16], dtype=tl.float32)
            for between in range(other, block):
                middle = start + between * 16 + index
                left = tile(links, token, inside, head, H, between * 16 + index, C)
                right = tile(inverse, middle, middle < end, head, H, other * 16 + index, C)
                gathered += tl.dot(left, right, input_precision="ieee")
            joined = -tl.dot(own, gathered, input_precision="ieee")
            put(inverse, joined, token, inside, head, H, other * 16 + index, C)
        tl.debug_barrier()


@raced(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def solve_kernel(
    k, v, g, beta, inverse, u, removals, chunks, H, K, V,
    DECAY: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute (I + A)^-1 beta V, the writes if the state were empty, and (I + A)^-1 beta K exp(G), what it removes."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    solver = tile(inverse, token, inside, head, H, tl.arange(0, C), C)
    strength = vector(beta, token, inside, head, H)
    solver = solver.to(v.dtype.element_ty)
    for first in range(0, V, BD):
        column = first + tl.arange(0, BD)
        values = (tile(v, token, inside, head, H, column, V) * strength[:, None]).to(v.dtype.element_ty)
        put(u, tl.dot(solver, values, input_precision=PRECISION), token, inside, head, H, column, V)
    for first in range(0, K, BD):
        column = first + tl.arange(0, BD)
        keys = (read_tile(k, g, token, inside, head, H, column, K, DECAY) * strength[:, None]).to(v.dtype.element_ty)
        put(removals, tl.dot(solver, keys, input_precision=PRECISION), token, inside, head, H, column, K)


@raced(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def unsolve_kernel(
    d_u, u, beta, inverse, d_v, d_beta, chunks, H, V, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr
):
    """From dU to dV = beta (I + A)^-T dU and dbeta = <(I + A)^-T dU, U> / beta."""
    token, inside, _ = place(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    solver = tl.trans(tile(inverse, token, inside, head, H, tl.arange(0, C), C).to(u.dtype.element_ty))
    strength = vector(beta, token, inside, head, H)
    agreement = tl.zeros([C], dtype=tl.float32)
    for first in range(0, V, BV):
        column = first + tl.arange(0, BV)
        residual = tl.dot(solver, tile(d_u, token, inside, head, H, column, V), input_precision=PRECISION)
        agreement += tl.sum(residual * tile(u, token, inside, head, H, column, V), 1)
        put(d_v, residual * strength[:, None], token, inside, head, H, column, V)
    where = token * H + head
    tl.store(d_beta + where, agreement / tl.where(inside, strength, 1.0), mask=inside)
