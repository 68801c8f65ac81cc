"""Between the caller's [B, T, H, D] and the tiles [M, C, D] on which batched products run.

M counts chunks first, then batch and heads, so that the loop over chunks takes contiguous slices. The last chunk is
padded with zeros: a zero key writes nothing, a zero log decay forgets nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """How a batch of sequences is cut into chunks."""

    batch: int
    length: int
    heads: int
    chunk: int

    @property
    def chunks(self) -> int:
        """Chunks in a sequence, the last one padded."""
        return -(-self.length // self.chunk)

    @property
    def tiles(self) -> int:
        """M, the number of tiles."""
        return self.chunks * self.batch * self.heads

    def cut(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """[B, T, H, D] -> [M, C, D] in `dtype`, a fresh tensor."""
        tiles = x.new_empty(self.tiles, self.chunk, x.shape[-1], dtype=dtype)
        self.cut_into(tiles, x)
        return tiles

    def cut_into(self, tiles: Tensor, x: Tensor) -> None:
        """Write x [B, T, H, D] into tiles [M, C, D], which may be a strided view."""
        full, rest = divmod(self.length, self.chunk)
        grid = tiles.unflatten(0, (self.chunks, self.batch, self.heads))
        if full:
            whole = x[:, : full * self.chunk].unflatten(1, (full, self.chunk))  # [B, n, C, H, D]
            grid[:full].copy_(whole.permute(1, 0, 3, 2, 4))
        if rest:
            grid[full, :, :, :rest].copy_(x[:, full * self.chunk :].permute(0, 2, 1, 3))
            grid[full, :, :, rest:].zero_()

    def join_into(self, x: Tensor, tiles: Tensor) -> None:
        """Write tiles [M, C, D] into x [B, T, H, D], which may be a strided view."""
        full, rest = divmod(self.length, self.chunk)
        grid = tiles.unflatten(0, (self.chunks, self.batch, self.heads))
        if full:
            x[:, : full * self.chunk].unflatten(1, (full, self.chunk)).copy_(grid[:full].permute(1, 0, 3, 2, 4))
        if rest:
            x[:, full * self.chunk :].copy_(grid[full, :, :, :rest].permute(0, 2, 1, 3))
