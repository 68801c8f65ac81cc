"""From the canonical problem to tiles and back."""

import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.arguments import Problem
from kernels.recurrence.chunked.forward import chunk_form

# Below this summed log decay within one chunk, fp32 no longer resolves differences of the running sum to 1e-5.
_FP32_REACH = -96.0


def chunked_recurrence(problem: Problem, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """The chunk form: (o [B, T, H, Dv], final state [B, H, Dk, Dv])."""
    batch, length, heads, key_width = problem.q.shape
    chunk = min(chunk_size, max(16, 1 << (length - 1).bit_length()))
    chunks = -(-length // chunk)
    q, k, v = (_tiles(x, chunk, chunks) for x in (problem.q, problem.k, problem.v))
    decay = None if problem.log_decay is None else _tiles(problem.log_decay, chunk, chunks)
    beta = None if problem.beta is None else _tiles(problem.beta[..., None], chunk, chunks)
    state = problem.state
    if state is None:
        state = q.new_zeros(batch, heads, key_width, v.shape[-1], dtype=problem.accumulation)
    o, final = chunk_form(q, k, v, decay, beta, problem.scale, state.flatten(0, 1))
    o = o.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4).reshape(batch, chunks * chunk, heads, -1)
    return o[:, :length], final.unflatten(0, (batch, heads))


def _tiles(x: Tensor, chunk: int, chunks: int) -> Tensor:
    """[B, T, H, D] -> [N, B * H, C, D], the last chunk padded with zeros (which write nothing and decay nothing)."""
    batch, length, heads, width = x.shape
    missing = chunks * chunk - length
    if missing:
        x = F.pad(x, (0, 0, 0, 0, 0, missing))
    tiles = x.view(batch, chunks, chunk, heads, width) if x.is_contiguous() else x.unflatten(1, (chunks, chunk))
    return tiles.permute(1, 0, 3, 2, 4).reshape(chunks, batch * heads, chunk, width)
