"""Loading and storing tiles: the functions that all kernels share.

Tensors are contiguous [tokens, H, D]; a tile is the rows of one chunk and some columns. `token` [C] are the rows,
`inside` [C] is true for those that belong to the chunk, `column` [BD] are the columns. `sums` are the running sums G
of log decay, [tokens, H, 1 | D]. DECAY is 0 for none, 1 for one decay a head, 2 for one a key channel. Addresses are
64-bit.
"""

# Kernel code: triton.language has no static types, and constants are capitals by convention.
# pyright: reportArgumentType=false, reportOperatorIssue=false, reportIndexIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false
# ruff: noqa: ANN001, ANN201, N803
import triton
import triton.language as tl


@triton.jit
def chunk_rows(chunks, chunk, C: tl.constexpr):
    """Return the rows of a chunk: (token [C], inside [C], last row)."""
    start = tl.load(chunks + 2 * chunk).to(tl.int64)
    end = tl.load(chunks + 2 * chunk + 1).to(tl.int64)
    token = start + tl.arange(0, C)
    return token, token < end, tl.maximum(end - 1, 0)


@triton.jit
def load_tile(x, token, inside, head, H, column, D):
    """Load [C, BD]; zero outside."""
    offset = (token * H + head)[:, None] * D + column[None, :]
    return tl.load(x + offset, mask=inside[:, None] & (column < D)[None, :], other=0.0)


@triton.jit
def store_tile(x, value, token, inside, head, H, column, D):
    """Store [C, BD]."""
    offset = (token * H + head)[:, None] * D + column[None, :]
    tl.store(x + offset, value.to(x.dtype.element_ty), mask=inside[:, None] & (column < D)[None, :])


@triton.jit
def load_vector(x, token, inside, head, H):
    """Load [C] from [tokens, H]; zero outside."""
    return tl.load(x + token * H + head, mask=inside, other=0.0)


@triton.jit
def load_row(x, token, head, H, column, D):
    """Load one row, [BD]."""
    return tl.load(x + (token * H + head) * D + column, mask=column < D, other=0.0)


@triton.jit
def load_state(x, chunk, head, H, key, K, value, V):
    """Load [BK, BV] of a chunk's state, from [NC, H, K, V]; zero outside."""
    offset = (chunk.to(tl.int64) * H + head) * K * V + key[:, None] * V + value[None, :]
    return tl.load(x + offset, mask=(key < K)[:, None] & (value < V)[None, :], other=0.0)


@triton.jit
def store_state(x, state, chunk, head, H, key, K, value, V):
    """Store [BK, BV] of a chunk's state."""
    offset = (chunk.to(tl.int64) * H + head) * K * V + key[:, None] * V + value[None, :]
    tl.store(x + offset, state.to(x.dtype.element_ty), mask=(key < K)[:, None] & (value < V)[None, :])


@triton.jit
def load_sums(sums, token, inside, head, H, column, D, DECAY: tl.constexpr):
    """Load G of the rows: [C, 1] for one decay a head, [C, BD] for one a channel."""
    if DECAY == 1:
        value = load_vector(sums, token, inside, head, H)[:, None]
    else:
        value = load_tile(sums, token, inside, head, H, column, D)
    return value


@triton.jit
def load_total(sums, last, head, H, column, D, DECAY: tl.constexpr):
    """Load G at the chunk's last row, [BD], the same in every column for one decay a head."""
    if DECAY == 1:
        value = tl.load(sums + last * H + head) + tl.zeros_like(column).to(tl.float32)
    else:
        value = load_row(sums, last, head, H, column, D)
    return value


@triton.jit
def load_read_tile(x, sums, token, inside, head, H, column, D, DECAY: tl.constexpr):
    """Load X exp(G), [C, BD], in the dtype of X: queries or keys as they read the entry state."""
    value = load_tile(x, token, inside, head, H, column, D)
    if DECAY:
        value = (value * tl.exp(load_sums(sums, token, inside, head, H, column, D, DECAY))).to(x.dtype.element_ty)
    return value


@triton.jit
def load_write_tile(k, sums, token, inside, last, head, H, column, D, DECAY: tl.constexpr):
    """Load K exp(G_C - G), [C, BD], in the dtype of K: keys as they write to the exit state."""
    value = load_tile(k, token, inside, head, H, column, D)
    if DECAY:
        tail = load_total(sums, last, head, H, column, D, DECAY)[None, :]
        tail -= load_sums(sums, token, inside, head, H, column, D, DECAY)
        value = (value * tl.exp(tl.minimum(tail, 0.0))).to(k.dtype.element_ty)
    return value


@triton.jit
def head_weights(sums, token, inside, head, H, C: tl.constexpr):
    """Return exp(G_i - G_j) for i >= j, else 0, [C, C], for one decay a head."""
    row_sums = load_vector(sums, token, inside, head, H)
    index = tl.arange(0, C)
    difference = tl.where(index[:, None] >= index[None, :], row_sums[:, None] - row_sums[None, :], float("-inf"))
    return tl.exp(tl.minimum(difference, 0.0))
