"""The cache of states that a model hands from layer to layer when it decodes."""

from typing import Any


class Cache:
    """One dictionary of states a layer."""

    def __init__(self, seen_tokens: int = 0) -> None:
        """Hold nothing yet."""
        self.states: list[dict[str, Any]] = []
        self.seen_tokens = seen_tokens

    def __len__(self) -> int:
        """Return how many layers have an entry."""
        return len(self.states)

    def __getitem__(self, layer_idx: int) -> dict[str, Any]:
        """Return a layer's states."""
        return self.states[layer_idx]

    def update(self, layer_idx: int = 0, offset: int = 1, **state: Any) -> dict[str, Any]:
        """Replace what is given of a layer's states; the first layer counts the tokens."""
        while len(self.states) <= layer_idx:
            self.states.append({})
        self.states[layer_idx].update(state)
        self.seen_tokens += offset if layer_idx == 0 else 0
        return self.states[layer_idx]

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 (all layers have seen the same)
        """Return how many tokens were seen."""
        return self.seen_tokens
