"""The delta rule inside a chunk: the inverse (I + A)^-1, its products with values and keys, and their gradients."""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
import triton
import triton.language as tl

from kernels.recurrence.gpu.tiles import chunk_rows, load_read_tile, load_tile, load_vector, store_tile
from kernels.recurrence.gpu.tuning import autotuned


@autotuned(1, (2, 3), (4, 3))
@triton.jit
def inverse_kernel(key_scores, inverse, chunks, H, C: tl.constexpr):
    """Compute (I + A)^-1 in fp32, one row of 16 x 16 blocks after the other; above the diagonal stays zero.

    The program reads finished blocks back from memory, hence the barriers.
    """
    chunk, head = tl.program_id(0), tl.program_id(1)
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    index = tl.arange(0, 16)
    for block in range(C // 16):
        token = start + block * 16 + index
        inside = token < end
        strict = load_tile(key_scores, token, inside, head, H, block * 16 + index, C)
        diagonal = (index[:, None] == index[None, :]).to(tl.float32)  # the inverse of the diagonal block
        for i in range(1, 16):
            # Row i of the inverse is e_i - sum_j A_ij (row j of the inverse); the rows above i are final.
            coefficients = tl.sum(tl.where(index[:, None] == i, strict, 0.0), 0)
            product = tl.sum(coefficients[:, None] * diagonal, 0)
            diagonal = tl.where(index[:, None] == i, diagonal - product[None, :], diagonal)
        store_tile(inverse, diagonal, token, inside, head, H, block * 16 + index, C)
        for other in range(block):
            total = tl.zeros([16, 16], dtype=tl.float32)
            for between in range(other, block):
                middle = start + between * 16 + index
                left = load_tile(key_scores, token, inside, head, H, between * 16 + index, C)
                right = load_tile(inverse, middle, middle < end, head, H, other * 16 + index, C)
                total += tl.dot(left, right, input_precision="ieee")
            corner = -tl.dot(diagonal, total, input_precision="ieee")
            store_tile(inverse, corner, token, inside, head, H, other * 16 + index, C)
        tl.debug_barrier()


@autotuned(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def solve_kernel(
    k, v, sums, beta, inverse, u, removals, chunks, H, K, V,
    DECAY: tl.constexpr, C: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the writes for an empty entry state, (I + A)^-1 beta V, and the removals (I + A)^-1 beta K exp(G)."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    solver = load_tile(inverse, token, inside, head, H, tl.arange(0, C), C)
    strength = load_vector(beta, token, inside, head, H)
    solver = solver.to(v.dtype.element_ty)
    for first in range(0, V, BD):
        column = first + tl.arange(0, BD)
        values = (load_tile(v, token, inside, head, H, column, V) * strength[:, None]).to(v.dtype.element_ty)
        store_tile(u, tl.dot(solver, values, input_precision=PRECISION), token, inside, head, H, column, V)
    for first in range(0, K, BD):
        column = first + tl.arange(0, BD)
        keys = load_read_tile(k, sums, token, inside, head, H, column, K, DECAY)
        keys = (keys * strength[:, None]).to(v.dtype.element_ty)
        store_tile(removals, tl.dot(solver, keys, input_precision=PRECISION), token, inside, head, H, column, K)


@autotuned(4, (2, 3), (8, 3), (4, 2))
@triton.jit
def solve_gradient_kernel(
    d_u, u, beta, inverse, d_v, d_beta, chunks, H, V, C: tl.constexpr, BV: tl.constexpr, PRECISION: tl.constexpr
):
    """Compute dV = beta (I + A)^-T dU and dbeta = <(I + A)^-T dU, U> / beta from dU."""
    token, inside, _ = chunk_rows(chunks, tl.program_id(0), C)
    head = tl.program_id(1)
    solver = tl.trans(load_tile(inverse, token, inside, head, H, tl.arange(0, C), C).to(u.dtype.element_ty))
    strength = load_vector(beta, token, inside, head, H)
    products = tl.zeros([C], dtype=tl.float32)
    for first in range(0, V, BV):
        column = first + tl.arange(0, BV)
        d_z = tl.dot(solver, load_tile(d_u, token, inside, head, H, column, V), input_precision=PRECISION)
        products += tl.sum(d_z * load_tile(u, token, inside, head, H, column, V), 1)
        store_tile(d_v, d_z * strength[:, None], token, inside, head, H, column, V)
    offset = token * H + head
    tl.store(d_beta + offset, products / tl.where(inside, strength, 1.0), mask=inside)
