"""Scores of a chunk under decay, with every exponent at most zero.

Splitting the weight exp(G_i - G_j) into exp(G_i) and exp(-G_j) would overflow under strong decay. One decay a head:
the weights are a matrix. One a key channel: the lower triangle is cut into squares by halving, and each square takes
the running sum at its own corner as reference, so that both factors stay at most one; what remains on the diagonal is
small and done element by element. Everything here is differentiable by autograd and by the function transforms.
"""

import torch
from torch import Tensor

# Edge of the diagonal blocks that are computed element by element.
BLOCK = 8


def scores(x: Tensor, k: Tensor, cumulative: Tensor | None) -> Tensor:
    """sum_d x_id k_jd exp(G_id - G_jd) for i >= j, else 0: [M, C, C] from x, k [M, C, D]."""
    if cumulative is None:
        return (x @ k.mT).tril()
    if cumulative.shape[-1] == 1:
        return (x @ k.mT) * weights(cumulative, x.dtype)
    return halved_scores(x, k, cumulative)


def weights(cumulative: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(G_i - G_j) for i >= j, else 0: [M, C, C] from G [M, C, 1]."""
    difference = cumulative - cumulative.mT
    return difference.masked_fill(_above_diagonal(difference), -torch.inf).exp().to(dtype)


def halved_scores(x: Tensor, k: Tensor, cumulative: Tensor) -> Tensor:
    """`scores` with a decay per key channel: diagonal blocks first, then squares of doubling size."""
    chunk = x.shape[-2]
    out = _block_scores(*(t.unflatten(1, (-1, BLOCK)) for t in (x, k, cumulative)))  # [M, C / 8, 8, 8]
    half = BLOCK
    while half < chunk:
        lower, upper = _corner_factors(cumulative.unflatten(1, (-1, 2, half)), x.dtype)
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


def _corner_factors(cumulative: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """exp(G_i - R) for the second half and exp(R - G_j) for the first, R = G at its end: [M, n, half, D]."""
    first, second = cumulative.unbind(2)
    corner = first[:, :, -1:]
    return (second - corner).exp().to(dtype), (corner - first).exp().to(dtype)


def _block_scores(x: Tensor, k: Tensor, cumulative: Tensor) -> Tensor:
    """`scores` for small blocks, [M, n, b, D] -> [M, n, b, b], from explicit weights."""
    difference = cumulative[..., :, None, :] - cumulative[..., None, :, :]  # [M, n, b, b, D]
    mask = _above_diagonal(difference[..., 0])[..., None]
    pairs = difference.masked_fill(mask, -torch.inf).exp().to(x.dtype)
    return (x[..., :, None, :] * pairs * k[..., None, :, :]).sum(-1)
