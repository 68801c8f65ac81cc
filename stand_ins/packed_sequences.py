"""Packed sequences: their offsets and positions; removing padding from a batch and restoring it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def prepare_lens_from_mask(mask: Tensor) -> Tensor:
    """Return the number of unmasked tokens in each row of a mask [B, T], [B] int32."""
    return mask.sum(-1, dtype=torch.int32)


def prepare_cu_seqlens_from_lens(lens: Tensor, dtype: torch.dtype = torch.int32) -> Tensor:
    """Return the offsets [N + 1] of sequences with these lengths [N]."""
    return F.pad(lens.cumsum(0, dtype=dtype), (1, 0))


def prepare_cu_seqlens_from_mask(mask: Tensor, dtype: torch.dtype = torch.int32) -> Tensor:
    """Return the offsets [B + 1] of the packed rows of a mask [B, T]."""
    return prepare_cu_seqlens_from_lens(prepare_lens_from_mask(mask), dtype)


def prepare_lens(cu_seqlens: Tensor) -> Tensor:
    """Return the lengths [N] of sequences at these offsets [N + 1]."""
    return cu_seqlens.diff()


def prepare_position_ids(cu_seqlens: Tensor) -> Tensor:
    """Return each packed token's position in its own sequence, [T]."""
    lens = prepare_lens(cu_seqlens)
    return torch.arange(int(cu_seqlens[-1])) - cu_seqlens[:-1].repeat_interleave(lens)


def prepare_sequence_ids(cu_seqlens: Tensor) -> Tensor:
    """Return the number of each packed token's sequence, [T]."""
    return torch.arange(len(cu_seqlens) - 1).repeat_interleave(prepare_lens(cu_seqlens))


def get_unpad_data(attention_mask: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return (indices of unmasked tokens in the flattened batch, offsets [B + 1] int32, longest length) of a mask."""
    indices = attention_mask.flatten().nonzero().flatten()
    return indices, prepare_cu_seqlens_from_mask(attention_mask), int(prepare_lens_from_mask(attention_mask).max())


def index_first_axis(x: Tensor, indices: Tensor) -> Tensor:
    """Return the rows of x [N, ...] at `indices`."""
    return x[indices]


def index_put_first_axis(x: Tensor, indices: Tensor, first_axis_dim: int) -> Tensor:
    """Return zeros [first_axis_dim, ...] with the rows of x written to `indices`."""
    return x.new_zeros(first_axis_dim, *x.shape[1:]).index_copy(0, indices, x)


def pad_input(hidden_states: Tensor, indices: Tensor, batch_size: int, seq_len: int) -> Tensor:
    """Return zeros [batch_size, seq_len, ...] with the rows written to `indices` of the flattened batch."""
    return index_put_first_axis(hidden_states, indices, batch_size * seq_len).unflatten(0, (batch_size, seq_len))
