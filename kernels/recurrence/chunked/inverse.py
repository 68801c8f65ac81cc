"""The inverse of a unit lower triangular matrix, by blocks.

The delta rule's chunk form solves (I + A) U = R with A strictly lower triangular. The inverse is built from diagonal
blocks, themselves inverted by (I - A)(I + A^2)(I + A^4)... (exact, since A is nilpotent), and then joined in pairs:
[[P, 0], [X, Q]]^-1 = [[P', 0], [-Q' X P', Q']].
"""

import torch
from torch import Tensor

_BLOCK = 16


def unit_lower_inverse(strict: Tensor) -> Tensor:
    """(I + A)^-1 for A strictly lower triangular, [M, C, C] with C a multiple of 16 and a power of two."""
    size = strict.shape[-1]
    blocks = strict.unflatten(1, (-1, _BLOCK)).unflatten(3, (-1, _BLOCK)).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)
    inverse = _nilpotent_inverse(blocks)  # [M, C / 16, 16, 16]
    half = _BLOCK
    while half < size:
        corners = strict.unflatten(1, (-1, 2, half)).unflatten(4, (-1, 2, half))[:, :, 1, :, :, 0]
        corner = corners.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)  # [M, n, half, half]
        first, second = inverse.unflatten(1, (-1, 2)).unbind(2)
        top = torch.cat([first, torch.zeros_like(corner)], dim=-1)
        inverse = torch.cat([top, torch.cat([-(second @ corner @ first), second], dim=-1)], dim=-2)
        half *= 2
    return inverse.squeeze(1)


def _nilpotent_inverse(strict: Tensor) -> Tensor:
    """(I + A)^-1 for blocks of edge 16: A^16 = 0, so four factors are exact."""
    identity = torch.eye(_BLOCK, dtype=strict.dtype, device=strict.device)
    power = strict @ strict
    inverse = identity - strict
    for _ in range(3):
        inverse = inverse + inverse @ power
        power = power @ power
    return inverse
