"""The mixer as a layer in the form of flash-linear-attention: hidden states in, (output, None, cache) out."""

from typing import Any

import torch
from torch import Tensor, nn

from .mixer import DECODES, Mixer, advance


class Move37Attention(nn.Module):
    """A layer for fla's blocks. It needs plain torch only; its state is in the cache under `recurrent_state`."""

    def __init__(self, hidden_size: int, num_heads: int, layer_idx: int = 0, **kwargs: Any) -> None:  # noqa: ARG002
        """Build the mixer; other arguments of a block's configuration have no effect."""
        super().__init__()
        self.layer_idx = layer_idx
        self.mixer = Mixer(hidden_size, num_heads, layer_idx=layer_idx)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[Tensor, None, Any]:
        """[B, T, D] -> [B, T, D]. Raises ValueError for padding together with a cache, or if the mixer has no state.

        attention_mask [B, T]: 0 at padding, whose outputs are zero. past_key_values: a cache of fla.
        """
        if attention_mask is not None and not bool(attention_mask.all()):
            if use_cache:
                raise ValueError("padding and a cache exclude each other; decode sequences of one length")
            return self._without_padding(hidden_states, attention_mask), None, past_key_values
        if not use_cache or past_key_values is None:
            return self.mixer(hidden_states), None, past_key_values
        if not DECODES:
            raise ValueError("this mixer can't be fed in pieces; pass the whole sequence, without a cache")
        seen = past_key_values[self.layer_idx] if len(past_key_values) > self.layer_idx else {}
        o, state = advance(self.mixer, hidden_states, seen.get("recurrent_state"))
        past_key_values.update(recurrent_state=state, layer_idx=self.layer_idx, offset=hidden_states.shape[1])
        return o, None, past_key_values

    def _without_padding(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run each row [T, D] without its padding."""
        o = torch.zeros_like(x)
        for row, keep in enumerate(mask.bool()):
            o[row, keep] = self.mixer(x[row : row + 1, keep])[0]
        return o
