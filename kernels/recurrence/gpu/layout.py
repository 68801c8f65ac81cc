"""The positions of chunks and sequences on the token axis, as small tables on the device."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class ChunkLayout:
    """Tables of chunks and sequences. No chunk crosses the end of a sequence."""

    chunks: Tensor
    """[NC, 2] first token and end of each chunk, int32; surplus chunks are empty."""
    sequences: Tensor
    """[N, 2] first chunk and end of each sequence, int32."""
    chunk: int
    """Steps in a full chunk, a power of two from 16 to 64."""


@lru_cache(maxsize=64)
def batch_layout(batch: int, length: int, chunk: int, device: torch.device) -> ChunkLayout:
    """Return the layout of `batch` sequences of `length` steps, one after the other, in chunks of `chunk` steps."""
    per_sequence = -(-length // chunk)
    sequence = torch.arange(batch, device=device, dtype=torch.int32)
    first = sequence[:, None] * length + torch.arange(per_sequence, device=device, dtype=torch.int32) * chunk
    ends = torch.minimum(first + chunk, (sequence[:, None] + 1) * length)
    bounds = torch.stack([sequence, sequence + 1], dim=1) * per_sequence
    return ChunkLayout(torch.stack([first, ends], dim=-1).view(-1, 2).contiguous(), bounds.contiguous(), chunk)


def packed_layout(cu_seqlens: Tensor, tokens: int, chunk: int) -> ChunkLayout:
    """Return the layout of the sequences between the offsets cu_seqlens [N + 1], of `tokens` steps in all.

    The host reads no value, which would stall the GPU: there are as many chunks as any offsets need, some of them
    empty.
    """
    offsets = cu_seqlens.to(torch.int32)
    per_sequence = (offsets.diff() + chunk - 1) // chunk
    ends = per_sequence.cumsum(0, dtype=torch.int32)
    starts = ends - per_sequence
    most = tokens // chunk + len(offsets) - 1
    index = torch.arange(most, device=offsets.device, dtype=torch.int32)
    sequence = torch.searchsorted(ends, index, right=True).clamp_max(len(offsets) - 2)
    first = offsets[sequence] + (index - starts[sequence]) * chunk
    last = torch.minimum(first + chunk, offsets[sequence + 1])
    used = (index < ends[-1]).int()
    return ChunkLayout(
        torch.stack([first * used, last * used], dim=1).to(torch.int32).contiguous(),
        torch.stack([starts, ends], dim=1).contiguous(),
        chunk,
    )
