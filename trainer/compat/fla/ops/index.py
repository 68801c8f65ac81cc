"""Where packed sequences begin and end, told from masks and lengths, and back."""

import torch
import torch.nn.functional as F
from torch import Tensor


def prepare_lens_from_mask(mask: Tensor) -> Tensor:
    """Return how many tokens each row of a mask [B, T] keeps, [B] int32."""
    return mask.sum(-1, dtype=torch.int32)


def prepare_cu_seqlens_from_lens(lens: Tensor, dtype: torch.dtype = torch.int32) -> Tensor:
    """Return the offsets [N + 1] of sequences with these lengths [N]."""
    return F.pad(lens.cumsum(0, dtype=dtype), (1, 0))


def prepare_cu_seqlens_from_mask(mask: Tensor, dtype: torch.dtype = torch.int32) -> Tensor:
    """Return the offsets [B + 1] of the kept tokens of a mask [B, T]."""
    return prepare_cu_seqlens_from_lens(prepare_lens_from_mask(mask), dtype)


def prepare_lens(cu_seqlens: Tensor) -> Tensor:
    """Return the lengths [N] of sequences at these offsets [N + 1]."""
    return cu_seqlens.diff()


def prepare_position_ids(cu_seqlens: Tensor) -> Tensor:
    """Return each packed token's place in its own sequence, [T]."""
    lens = prepare_lens(cu_seqlens)
    return torch.arange(int(cu_seqlens[-1])) - cu_seqlens[:-1].repeat_interleave(lens)


def prepare_sequence_ids(cu_seqlens: Tensor) -> Tensor:
    """Return the number of the sequence that each packed token is part of, [T]."""
    return torch.arange(len(cu_seqlens) - 1).repeat_interleave(prepare_lens(cu_seqlens))
