"""Removing padding from a batch and restoring it, and a layer's entry of the cache."""

from typing import Any

import torch
from torch import Tensor

from stand_ins.packed_sequences import get_unpad_data, index_first_axis, pad_input


def unpad_hidden_states(
    hidden_states: Tensor, cu_seqlens: Tensor | None, attention_mask: Tensor | None, q_len: int
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return (unmasked tokens packed [1, N, ...], their indices, offsets); with given offsets nothing changes."""
    if cu_seqlens is not None or attention_mask is None:
        return hidden_states, None, cu_seqlens
    indices, offsets, _ = get_unpad_data(attention_mask[:, -q_len:])
    return index_first_axis(hidden_states.flatten(0, 1), indices)[None], indices, offsets


def repad_hidden_states(hidden_states: Tensor, indices: Tensor | None, batch_size: int, q_len: int) -> Tensor:
    """Undo `unpad_hidden_states`."""
    return hidden_states if indices is None else pad_input(hidden_states.squeeze(0), indices, batch_size, q_len)


def unpad_input(
    q: Tensor | tuple[Tensor, ...],
    states: tuple[Tensor, ...],
    attention_mask: Tensor,
    q_len: int,
    keepdim: bool = False,
) -> tuple[Any, tuple[Tensor, ...], Tensor, tuple[Tensor, Tensor], tuple[int, int]]:
    """Pack queries [B, q_len, ...] and states [B, T, ...].

    Returns (q, states, indices of q, both offsets, both longest lengths). q_len is T, or 1 if only the last position
    has a query. Raises ValueError for another length.
    """
    indices, offsets, longest = get_unpad_data(attention_mask)
    lead = (1,) if keepdim else ()
    packed = tuple(index_first_axis(state.flatten(0, 1), indices).unflatten(0, (*lead, -1)) for state in states)
    queries = (q,) if isinstance(q, Tensor) else q
    if q_len == states[0].shape[1]:
        q_indices, bounds, q_longest = indices, offsets, longest
        packed_q = tuple(index_first_axis(x.flatten(0, 1), indices) for x in queries)
    elif q_len == 1:
        bounds = torch.arange(len(attention_mask) + 1, dtype=torch.int32)
        q_indices, q_longest, packed_q = bounds[:-1].long(), 1, tuple(x.squeeze(1) for x in queries)
    else:
        raise ValueError(f"unpad_input takes queries of one position or of all, not of {q_len}")
    packed_q = tuple(x.unflatten(0, (*lead, -1)) for x in packed_q)
    lengths = (q_longest, longest)
    return (packed_q[0] if isinstance(q, Tensor) else packed_q), packed, q_indices, (bounds, offsets), lengths


def get_layer_cache(module: Any, past_key_values: Any) -> Any:
    """Return a layer's entry of the cache, None if there is none."""
    index = require_cache_layer_idx(module, past_key_values)
    if past_key_values is None or len(past_key_values) <= index:
        return None
    return past_key_values[index]


def update_layer_cache(module: Any, past_key_values: Any, **state: Any) -> Any:
    """Write a layer's entry of the cache, if there is a cache."""
    index = require_cache_layer_idx(module, past_key_values)
    return None if past_key_values is None else past_key_values.update(layer_idx=index, **state)


def require_cache_layer_idx(module: Any, past_key_values: Any) -> Any:
    """Return a layer's number. Raises ValueError if there is a cache and the layer has no number."""
    index = getattr(module, "layer_idx", None)
    if past_key_values is not None and index is None:
        raise ValueError(f"{type(module).__name__} has no layer_idx, by which a cache tells layers apart")
    return index
