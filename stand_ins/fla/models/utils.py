"""The cache of states that a model passes through its layers when it decodes."""

from typing import Any

import torch
from torch import Tensor


class Cache:
    """One dictionary of states for each layer."""

    def __init__(self, seen_tokens: int = 0) -> None:
        """Create an empty cache after `seen_tokens` earlier tokens."""
        self.states: list[dict[str, Any]] = []
        self.token_counts: list[int] = []
        self.initial_tokens = seen_tokens

    def __len__(self) -> int:
        """Return the number of layers that have an entry."""
        return len(self.states)

    def __getitem__(self, layer_idx: int) -> dict[str, Any]:
        """Return a layer's states."""
        return self.states[layer_idx]

    @property
    def seen_tokens(self) -> int:
        """Number of tokens that the first layer has seen."""
        return self.get_seq_length()

    def update(
        self,
        layer_idx: int = 0,
        offset: int = 1,
        attn_state: tuple[Tensor, ...] | None = None,
        cache_kwargs: dict[str, Any] | None = None,
        **state: Any,
    ) -> dict[str, Any]:
        """Update a layer's states after `offset` more tokens, and return all its states.

        Keys and values [B, offset, ...] in `attn_state` are appended to the earlier ones, up to the window's reach.
        """
        while len(self.states) <= layer_idx:
            self.states.append({})
            self.token_counts.append(self.initial_tokens)
        self.token_counts[layer_idx] += offset
        if attn_state is not None:
            earlier = self.states[layer_idx].get("attn_state", attn_state)
            window = (cache_kwargs or {}).get("window_size")
            reach = None if window is None else -(window + offset - 1)
            state["attn_state"] = tuple(
                new if old is new else torch.cat([old, new], 1)[:, reach:]
                for old, new in zip(earlier, attn_state, strict=True)
            )
        self.states[layer_idx].update(state)
        return self.states[layer_idx]

    def get_seq_length(self, layer_idx: int | None = 0) -> int:
        """Return the number of tokens that a layer has seen."""
        index = layer_idx or 0
        return self.token_counts[index] if index < len(self.token_counts) else self.initial_tokens
