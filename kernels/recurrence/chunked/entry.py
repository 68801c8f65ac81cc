"""The chunked backend: the chunk length, and the choice between the hand-written and the differentiable form."""

import torch.nn.functional as F
from torch import Tensor

from kernels.recurrence.arguments import RecurrenceInputs
from kernels.recurrence.chunked.decay import factorable_chunk
from kernels.recurrence.chunked.forward import chunk_form
from kernels.recurrence.chunked.function import ChunkedRecurrence
from kernels.transforms import is_transformed

# Work inside a chunk grows with its length, work between chunks with the width. Measured: for heads up to this width,
# chunks of at most as many steps are fastest.
_NARROW_WIDTH = 32


def chunked_recurrence(inputs: RecurrenceInputs, chunk_size: int = 64) -> tuple[Tensor, Tensor]:
    """Compute the chunk form and return (o [B, T, H, Dv], final state [B, H, Dk, Dv])."""
    key_width = inputs.q.shape[-1]
    chunk = min(chunk_size, max(16, 1 << (inputs.q.shape[1] - 1).bit_length()))
    state = inputs.initial_state()
    tensors = inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta, state
    if is_transformed(*tensors):
        return _differentiable_form(inputs, state, chunk)
    if max(key_width, inputs.v.shape[-1]) <= _NARROW_WIDTH:
        chunk = min(chunk, _NARROW_WIDTH)
    if inputs.log_decay is not None and inputs.log_decay.shape[-1] > 1:
        chunk = factorable_chunk(inputs.log_decay, chunk)
    return ChunkedRecurrence.apply(*tensors, inputs.scale, chunk)  # pyright: ignore[reportReturnType]


def _differentiable_form(inputs: RecurrenceInputs, state: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Compute the chunk form by differentiable operations, for torch.func, forward-mode AD and torch.compile."""
    batch, length, heads, _ = inputs.q.shape
    chunks = -(-length // chunk)
    q, k, v = (_tiles(x, chunk, chunks) for x in (inputs.q, inputs.k, inputs.v))
    decay = None if inputs.log_decay is None else _tiles(inputs.log_decay, chunk, chunks)
    beta = None if inputs.beta is None else _tiles(inputs.beta[..., None], chunk, chunks)
    o, final = chunk_form(q, k, v, decay, beta, inputs.scale, state.flatten(0, 1))
    o = o.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4).reshape(batch, chunks * chunk, heads, -1)
    return o[:, :length], final.unflatten(0, (batch, heads))


def _tiles(x: Tensor, chunk: int, chunks: int) -> Tensor:
    """[B, T, H, D] -> [N, B * H, C, D], the last chunk padded with zeros, which write nothing and decay nothing."""
    batch, length, heads, width = x.shape
    padded = F.pad(x, (0, 0, 0, 0, 0, chunks * chunk - length))
    tiles = padded.unflatten(1, (chunks, chunk)).permute(1, 0, 3, 2, 4)
    return tiles.reshape(chunks, batch * heads, chunk, width)
