"""From the caller's [B, T, H, D] to the tiles [M, C, D] of batched products, and back.

M counts chunks first, then batch and heads, so that the loop over chunks takes contiguous slices. Zeros pad the last
chunk: a zero key writes nothing, and a log decay of zero forgets nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The sizes of a batch of sequences that is cut into chunks."""

    batch: int
    length: int
    """T, steps in a sequence."""
    heads: int
    chunk: int
    """C, steps in a chunk."""

    @property
    def chunks(self) -> int:
        """N, chunks in a sequence, with the padded one."""
        return -(-self.length // self.chunk)

    @property
    def tiles(self) -> int:
        """M, the number of tiles."""
        return self.chunks * self.batch * self.heads

    def cut(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Copy x [B, T, H, D] into new tiles [M, C, D] of dtype `dtype`."""
        tiles = x.new_empty(self.tiles, self.chunk, x.shape[-1], dtype=dtype)
        self.cut_into(tiles, x)
        return tiles

    def cut_into(self, tiles: Tensor, x: Tensor) -> None:
        """Write x [B, T, H, D] into tiles [M, C, D], which may be a strided view."""
        full, remainder = divmod(self.length, self.chunk)
        grid = tiles.unflatten(0, (self.chunks, self.batch, self.heads))
        if full:
            whole = x[:, : full * self.chunk].unflatten(1, (full, self.chunk))  # [B, n, C, H, D]
            grid[:full].copy_(whole.permute(1, 0, 3, 2, 4))
        if remainder:
            grid[full, :, :, :remainder].copy_(x[:, full * self.chunk :].permute(0, 2, 1, 3))
            grid[full, :, :, remainder:].zero_()

    def join_into(self, x: Tensor, tiles: Tensor) -> None:
        """Write tiles [M, C, D] into x [B, T, H, D], which may be a strided view."""
        full, remainder = divmod(self.length, self.chunk)
        grid = tiles.unflatten(0, (self.chunks, self.batch, self.heads))
        if full:
            x[:, : full * self.chunk].unflatten(1, (full, self.chunk)).copy_(grid[:full].permute(1, 0, 3, 2, 4))
        if remainder:
            x[:, full * self.chunk :].copy_(grid[full, :, :, :remainder].permute(0, 2, 1, 3))
