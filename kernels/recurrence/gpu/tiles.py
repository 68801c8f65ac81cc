"""Loading and storing tiles: the vocabulary of all kernels.

Tensors are contiguous [tokens, H, D]; a tile is the rows of one chunk and some columns. `token` [C] are the rows,
`inside` [C] says which belong to the chunk, `column` [BD] are the columns. Addresses are 64-bit.
"""

# Kernel code: what triton.language computes with has no static types, and constants are capitals by custom.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803, SIM108
import triton
import triton.language as tl


@triton.jit
def place(chunks, chunk, C: tl.constexpr):
    """Rows of a chunk: (token [C], inside [C], last row)."""
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    token = start + tl.arange(0, C)
    return token, token < end, tl.maximum(end - 1, 0)


@triton.jit
def tile(x, token, inside, head, H, column, D):
    """Load [C, BD]; zero outside."""
    where = (token * H + head)[:, None] * D + column[None, :]
    return tl.load(x + where, mask=inside[:, None] & (column < D)[None, :], other=0.0)


@triton.jit
def put(x, value, token, inside, head, H, column, D):
    """Store [C, BD]."""
    where = (token * H + head)[:, None] * D + column[None, :]
    tl.store(x + where, value.to(x.dtype.element_ty), mask=inside[:, None] & (column < D)[None, :])


@triton.jit
def vector(x, token, inside, head, H):
    """Load [C] from [tokens, H]; zero outside."""
    return tl.load(x + token * H + head, mask=inside, other=0.0)


@triton.jit
def row(x, token, head, H, column, D):
    """Load one row, [BD]."""
    return tl.load(x + (token * H + head) * D + column, mask=column < D, other=0.0)


@triton.jit
def state_tile(x, chunk, head, H, key, K, value, V):
    """Load [BK, BV] of a chunk's state, from [NC, H, K, V]; zero outside."""
    where = (chunk.to(tl.int64) * H + head) * K * V + key[:, None] * V + value[None, :]
    return tl.load(x + where, mask=(key < K)[:, None] & (value < V)[None, :], other=0.0)


@triton.jit
def put_state(x, state, chunk, head, H, key, K, value, V):
    """Store [BK, BV] of a chunk's state."""
    where = (chunk.to(tl.int64) * H + head) * K * V + key[:, None] * V + value[None, :]
    tl.store(x + where, state.to(x.dtype.element_ty), mask=(key < K)[:, None] & (value < V)[None, :])


@triton.jit
def running(g, token, inside, head, H, column, D, DECAY: tl.constexpr):
    """Return running log decay of the rows: [C, 1] for one decay a head, [C, BD] for one a channel."""
    if DECAY == 1:
        value = vector(g, token, inside, head, H)[:, None]
    else:
        value = tile(g, token, inside, head, H, column, D)
    return value


@triton.jit
def total(g, last, head, H, column, D, DECAY: tl.constexpr):
    """Return running log decay at the chunk's last row, [BD], the same in every column for one decay a head."""
    if DECAY == 1:
        value = tl.load(g + last * H + head) + tl.zeros_like(column).to(tl.float32)
    else:
        value = row(g, last, head, H, column, D)
    return value


@triton.jit
def read_tile(x, g, token, inside, head, H, column, D, DECAY: tl.constexpr):
    """X exp(G), [C, BD], in the dtype of X."""
    value = tile(x, token, inside, head, H, column, D)
    if DECAY:
        value = (value * tl.exp(running(g, token, inside, head, H, column, D, DECAY))).to(x.dtype.element_ty)
    return value


@triton.jit
def write_tile(k, g, token, inside, last, head, H, column, D, DECAY: tl.constexpr):
    """K exp(G_C - G), [C, BD], in the dtype of K."""
    value = tile(k, token, inside, head, H, column, D)
    if DECAY:
        left = total(g, last, head, H, column, D, DECAY)[None, :]
        left -= running(g, token, inside, head, H, column, D, DECAY)
        value = (value * tl.exp(tl.minimum(left, 0.0))).to(k.dtype.element_ty)
    return value


@triton.jit
def head_weights(g, token, inside, head, H, C: tl.constexpr):
    """exp(G_i - G_j) for i >= j, else 0, [C, C], for one decay a head."""
    sums = vector(g, token, inside, head, H)
    index = tl.arange(0, C)
    difference = tl.where(index[:, None] >= index[None, :], sums[:, None] - sums[None, :], float("-inf"))
    return tl.exp(tl.minimum(difference, 0.0))
