"""Padding taken out of a batch and put back, and the cache of a layer."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def get_unpad_data(attention_mask: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return (kept tokens' places in the flattened batch, offsets [B + 1] int32, longest length) of a mask [B, T]."""
    lengths = attention_mask.sum(-1, dtype=torch.int32)
    indices = attention_mask.flatten().nonzero().flatten()
    offsets = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    return indices, offsets, int(lengths.max())


def index_first_axis(x: Tensor, indices: Tensor) -> Tensor:
    """Return the rows of x [N, ...] at `indices`."""
    return x[indices]


def pad_input(hidden_states: Tensor, indices: Tensor, batch_size: int, seq_len: int) -> Tensor:
    """Return [batch_size, seq_len, ...] with the rows at `indices` of the flattened batch, zero elsewhere."""
    padded = hidden_states.new_zeros(batch_size * seq_len, *hidden_states.shape[1:])
    return padded.index_copy(0, indices, hidden_states).unflatten(0, (batch_size, seq_len))


def get_layer_cache(layer: Any, past_key_values: Any) -> Any:
    """Return a layer's entry of the cache, None where there is none."""
    index = getattr(layer, "layer_idx", None)
    if past_key_values is None or index is None or len(past_key_values) <= index:
        return None
    return past_key_values[index]


def update_layer_cache(layer: Any, past_key_values: Any, **state: Any) -> Any:
    """Write a layer's entry of the cache, where there is a cache."""
    if past_key_values is not None:
        return past_key_values.update(layer_idx=layer.layer_idx, **state)
    return None
