"""Scores of a chunk under decay, with every exponent at most zero.

Splitting the weight exp(G_i - G_j) into exp(G_i) and exp(-G_j) would overflow under strong decay. For one decay a head,
the weights are a matrix. For one a key channel, halving cuts the lower triangle into squares. Each square takes the
running sum at its own corner as reference, so that both factors stay at most one. The small blocks that remain on the
diagonal are computed element by element. Autograd and function transforms can differentiate all of it.
"""

import torch
from torch import Tensor

# Edge of the diagonal blocks that are computed element by element.
_BLOCK = 8


def scores(x: Tensor, k: Tensor, sums: Tensor | None) -> Tensor:
    """Return sum_d x_id k_jd exp(G_id - G_jd) for i >= j, else 0: [M, C, C].

    x, k [M, C, D]; sums: the running sum G of log decay, [M, C, 1 | D], or None without decay.
    """
    if sums is None:
        return (x @ k.mT).tril()
    if sums.shape[-1] == 1:
        return (x @ k.mT) * weights(sums, x.dtype)
    return halved_scores(x, k, sums)


def weights(sums: Tensor, dtype: torch.dtype) -> Tensor:
    """Return exp(G_i - G_j) for i >= j, else 0: [M, C, C] from G [M, C, 1]."""
    difference = sums - sums.mT
    return difference.masked_fill(_above_diagonal(difference), -torch.inf).exp().to(dtype)


def halved_scores(x: Tensor, k: Tensor, sums: Tensor) -> Tensor:
    """Compute `scores` for one decay a key channel: diagonal blocks first, then squares of doubling size."""
    chunk = x.shape[-2]
    out = _block_scores(*(t.unflatten(1, (-1, _BLOCK)) for t in (x, k, sums)))  # [M, C / 8, 8, 8]
    half = _BLOCK
    while half < chunk:
        lower, upper = _corner_factors(sums.unflatten(1, (-1, 2, half)), x.dtype)
        rows = x.unflatten(1, (-1, 2, half))[:, :, 1] * lower  # [M, n, half, D]
        columns = k.unflatten(1, (-1, 2, half))[:, :, 0] * upper
        square = rows @ columns.mT
        first, second = out.unflatten(1, (-1, 2)).unbind(2)
        top = torch.cat([first, torch.zeros_like(square)], dim=-1)
        out = torch.cat([top, torch.cat([square, second], dim=-1)], dim=-2)
        half *= 2
    return out.squeeze(1)


def _above_diagonal(square: Tensor) -> Tensor:
    """Return the mask of i < j for the last two dimensions, [C, C]."""
    size = square.shape[-1]
    return torch.ones(size, size, dtype=torch.bool, device=square.device).triu(1)


def _corner_factors(sums: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return exp(G_i - R) for the second half and exp(R - G_j) for the first, [M, n, half, D].

    The reference R is G at the end of the first half.
    """
    first, second = sums.unbind(2)
    corner = first[:, :, -1:]
    return (second - corner).exp().to(dtype), (corner - first).exp().to(dtype)


def _block_scores(x: Tensor, k: Tensor, sums: Tensor) -> Tensor:
    """Compute `scores` for small blocks, [M, n, b, D] -> [M, n, b, b], from explicit weights."""
    difference = sums[..., :, None, :] - sums[..., None, :, :]  # [M, n, b, b, D]
    mask = _above_diagonal(difference[..., 0])[..., None]
    pairs = difference.masked_fill(mask, -torch.inf).exp().to(x.dtype)
    return (x[..., :, None, :] * pairs * k[..., None, :, :]).sum(-1)
