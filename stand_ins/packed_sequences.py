"""Packed sequences: where each begins and ends, and padding taken out of a batch and put back."""

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


def get_unpad_data(attention_mask: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return (kept tokens' places in the flattened batch, offsets [B + 1] int32, longest length) of a mask [B, T]."""
    indices = attention_mask.flatten().nonzero().flatten()
    return indices, prepare_cu_seqlens_from_mask(attention_mask), int(prepare_lens_from_mask(attention_mask).max())


def index_first_axis(x: Tensor, indices: Tensor) -> Tensor:
    """Return the rows of x [N, ...] at `indices`."""
    return x[indices]


def index_put_first_axis(x: Tensor, indices: Tensor, first_axis_dim: int) -> Tensor:
    """Return [first_axis_dim, ...] with the rows of x at `indices`, zero elsewhere."""
    return x.new_zeros(first_axis_dim, *x.shape[1:]).index_copy(0, indices, x)


def pad_input(hidden_states: Tensor, indices: Tensor, batch_size: int, seq_len: int) -> Tensor:
    """Return [batch_size, seq_len, ...] with the rows at `indices` of the flattened batch, zero elsewhere."""
    return index_put_first_axis(hidden_states, indices, batch_size * seq_len).unflatten(0, (batch_size, seq_len))
