"""The cache of states that a model hands from layer to layer when it decodes."""

from typing import Any

import torch
from torch import Tensor


class Cache:
    """One dictionary of states a layer."""

    def __init__(self, seen_tokens: int = 0) -> None:
        """Hold nothing yet."""
        self.states: list[dict[str, Any]] = []
        self.seen: list[int] = []
        self.before = seen_tokens

    def __len__(self) -> int:
        """Return how many layers have an entry."""
        return len(self.states)

    def __getitem__(self, layer_idx: int) -> dict[str, Any]:
        """Return a layer's states."""
        return self.states[layer_idx]

    @property
    def seen_tokens(self) -> int:
        """How many tokens the first layer has seen."""
        return self.get_seq_length()

    def update(
        self,
        layer_idx: int = 0,
        offset: int = 1,
        attn_state: tuple[Tensor, ...] | None = None,
        cache_kwargs: dict[str, Any] | None = None,
        **state: Any,
    ) -> dict[str, Any]:
        """Replace what is given of a layer's states, which has seen `offset` tokens more, and return all of them.

        Keys and values [B, offset, ...] in `attn_state` go behind those held, as many as a window sees.
        """
        while len(self.states) <= layer_idx:
            self.states.append({})
            self.seen.append(self.before)
        self.seen[layer_idx] += offset
        if attn_state is not None:
            held = self.states[layer_idx].get("attn_state", attn_state)
            window = (cache_kwargs or {}).get("window_size")
            reach = None if window is None else -(window + offset - 1)
            state["attn_state"] = tuple(
                new if old is new else torch.cat([old, new], 1)[:, reach:]
                for old, new in zip(held, attn_state, strict=True)
            )
        self.states[layer_idx].update(state)
        return self.states[layer_idx]

    def get_seq_length(self, layer_idx: int | None = 0) -> int:
        """Return how many tokens a layer has seen."""
        index = layer_idx or 0
        return self.seen[index] if index < len(self.seen) else self.before
