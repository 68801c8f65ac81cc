"""The inverse of a unit lower triangular matrix, by blocks.

The delta rule's chunk form solves (I + A) U = Z with A strictly lower triangular. Substitution inverts the diagonal
blocks. Products then join the inverses in pairs, with P' for P^-1: [[P, 0], [X, Q]]^-1 = [[P', 0], [-Q' X P', Q']].
These are few large products; substitution over the whole chunk would be a long chain of small ones.
"""

import torch
from torch import Tensor

_BLOCK = 16
"""Edge of the blocks that substitution inverts; chunks are a power of two times as long."""


def unit_lower_inverse(strict: Tensor) -> Tensor:
    """Return (I + A)^-1 for A strictly lower triangular, [M, C, C] with C a power of two from 16, fp32 or fp64.

    It reads only the entries below the diagonal of A.
    """
    size = strict.shape[-1]
    inverse = _block_inverses(_diagonal_blocks(strict, _BLOCK))  # [M, C / 16, 16, 16]
    half = _BLOCK
    while half < size:
        corner = _diagonal_blocks(strict, 2 * half)[:, :, half:, :half]  # [M, n, half, half]
        first, second = inverse.unflatten(1, (-1, 2)).unbind(2)
        top = torch.cat([first, torch.zeros_like(first)], dim=-1)
        inverse = torch.cat([top, torch.cat([-(second @ (corner @ first)), second], dim=-1)], dim=-2)
        half *= 2
    return inverse.squeeze(1)


def unit_lower_inverse_in_place(strict: Tensor) -> Tensor:
    """Compute `unit_lower_inverse` in one new buffer, which autograd and function transforms can't differentiate."""
    size = strict.shape[-1]
    inverse = torch.zeros_like(strict)
    _diagonal_blocks(inverse, _BLOCK).copy_(_block_inverses(_diagonal_blocks(strict, _BLOCK)))
    half = _BLOCK
    while half < size:
        corner = _diagonal_blocks(strict, 2 * half)[:, :, half:, :half]  # [M, n, half, half]
        target = _diagonal_blocks(inverse, 2 * half)
        first, second = target[:, :, :half, :half], target[:, :, half:, half:]
        target[:, :, half:, :half].copy_((second @ (corner @ first)).neg_())
        half *= 2
    return inverse


def _diagonal_blocks(square: Tensor, size: int) -> Tensor:
    """Return the blocks of edge `size` on the diagonal, a view: [M, C, C] -> [M, C / size, size, size]."""
    blocks = square.unflatten(1, (-1, size)).unflatten(3, (-1, size))
    return blocks.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)


def _block_inverses(blocks: Tensor) -> Tensor:
    """Return (I + A)^-1 of blocks [M, n, 16, 16] by substitution, which reads only the entries below the diagonal."""
    identity = torch.eye(_BLOCK, dtype=blocks.dtype, device=blocks.device).expand_as(blocks)
    return torch.linalg.solve_triangular(blocks, identity, upper=False, unitriangular=True)
