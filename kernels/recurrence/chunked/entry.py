"""From the canonical problem to the chunk form: which chunk length, which of the two programs."""

import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.arguments import Problem
from kernels.recurrence.chunked.decay import gentle_chunk
from kernels.recurrence.chunked.forward import chunk_form
from kernels.recurrence.chunked.function import ChunkedRecurrence
from kernels.transforms import is_transformed

# Work inside a chunk grows with its length, work between chunks with the width: measured, short chunks suit narrow
# heads.
_NARROW = 32


def chunked_recurrence(problem: Problem, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Return the chunk form: (o [B, T, H, Dv], final state [B, H, Dk, Dv])."""
    batch, length, heads, key_width = problem.q.shape
    chunk = min(chunk_size, max(16, 1 << (length - 1).bit_length()))
    state = problem.state
    if state is None:
        state = problem.q.new_zeros(batch, heads, key_width, problem.v.shape[-1], dtype=problem.accumulation)
    inputs = problem.q, problem.k, problem.v, problem.log_decay, problem.beta, state
    if is_transformed(*inputs):
        return _transformable(problem, state, chunk)
    if max(key_width, problem.v.shape[-1]) <= _NARROW:
        chunk = min(chunk, _NARROW)
    if problem.log_decay is not None and problem.log_decay.shape[-1] > 1:
        chunk = gentle_chunk(problem.log_decay, chunk)
    return ChunkedRecurrence.apply(*inputs, problem.scale, chunk)  # pyright: ignore[reportReturnType]


def _transformable(problem: Problem, state: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Return the chunk form from differentiable operations alone, for torch.func, forward-mode AD and torch.compile."""
    batch, length, heads, _ = problem.q.shape
    chunks = -(-length // chunk)
    q, k, v = (_tiles(x, chunk, chunks) for x in (problem.q, problem.k, problem.v))
    decay = None if problem.log_decay is None else _tiles(problem.log_decay, chunk, chunks)
    beta = None if problem.beta is None else _tiles(problem.beta[..., None], chunk, chunks)
    o, final = chunk_form(q, k, v, decay, beta, problem.scale, state.flatten(0, 1))
    o = o.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4).reshape(batch, chunks * chunk, heads, -1)
    return o[:, :length], final.unflatten(0, (batch, heads))


def _tiles(x: Tensor, chunk: int, chunks: int) -> Tensor:
    """[B, T, H, D] -> [N, B * H, C, D], the last chunk padded with zeros (which write nothing and decay nothing)."""
    batch, length, heads, width = x.shape
    padded = F.pad(x, (0, 0, 0, 0, 0, chunks * chunk - length))
    tiles = padded.unflatten(1, (chunks, chunk)).permute(1, 0, 3, 2, 4)
    return tiles.reshape(chunks, batch * heads, chunk, width)
