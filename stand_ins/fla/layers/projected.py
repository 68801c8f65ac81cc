"""What the layers of linear attention share: projections and short convolutions before an operator, a gate behind it.

A subclass says what is made of queries, keys and values in `remembered`, and how its output is normed in `gated`.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.layers.utils import get_layer_cache, repad_hidden_states, unpad_hidden_states, update_layer_cache
from stand_ins.fla.modules.convolution import ShortConvolution
from stand_ins.packed_sequences import prepare_lens_from_mask

State = Any
"""What an operator hands on: a tensor [B, H, K, V], or None."""


def share(whole: int, parts: int) -> int:
    """Return what each of the heads gets. Raises ValueError where that is no whole number."""
    if whole % parts:
        raise ValueError(f"{whole} can't be split among {parts} heads")
    return whole // parts


class ProjectedLayer(nn.Module, ABC):
    """Queries, keys and values of each token, one operator over time, and the way back to the width."""

    head_k_dim: int
    head_v_dim: int
    key_activation: str | None = "silu"
    """What queries and keys go through: in their convolutions where there are any, else by themselves."""
    value_activation: str | None = "silu"

    def project(self, hidden_size: int, key_dim: int, value_dim: int, shared: int = 1) -> None:
        """Make the projections; keys and values are narrower where `shared` query heads have the same."""
        self.hidden_size, self.key_dim, self.value_dim = hidden_size, key_dim, value_dim
        self.q_proj = nn.Linear(hidden_size, key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, key_dim // shared, bias=False)
        self.v_proj = nn.Linear(hidden_size, value_dim // shared, bias=False)
        self.o_proj = nn.Linear(value_dim, hidden_size, bias=False)

    def convolve(self, wanted: bool, size: int, bias: bool, layer_idx: int | None) -> None:
        """Make the convolutions, where they are wanted."""
        self.use_short_conv, self.conv_size, self.conv_bias, self.layer_idx = wanted, size, bias, layer_idx
        if wanted:
            kinds = {"q": self.key_activation, "k": self.key_activation, "v": self.value_activation}
            for name, activation in kinds.items():
                width = getattr(self, f"{name}_proj").out_features
                setattr(self, f"{name}_conv1d", ShortConvolution(width, size, bias, activation))

    @abstractmethod
    def remembered(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Return (o [B, T, H, V], state) of q, k [B, T, H, K] and v [B, T, H, V].

        `more` is for the operator, and `seen`: how many tokens were before, in all sequences or in each [B].
        """

    @abstractmethod
    def gated(self, x: Tensor, o: Tensor) -> Tensor:
        """Return o [B, T, H, V] normed, and gated by what the tokens x [B, T, D] say."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,  # noqa: ARG002 (fla's own arguments)
        **more: Any,
    ) -> tuple[Tensor, None, Any]:
        """Map hidden_states [B, T, D]; attention_mask [B, T] is 0 at padding. Returns (y, None, past_key_values)."""
        batch, steps, _ = hidden_states.shape
        held = get_layer_cache(self, past_key_values) or {}
        x, places, offsets = unpad_hidden_states(hidden_states, more.get("cu_seqlens"), attention_mask, steps)
        before = held.get("conv_state") or (None, None, None)
        pairs = [self._projected(n, x, s, use_cache, offsets) for n, s in zip("qkv", before, strict=True)]
        heads = [
            y.unflatten(-1, (-1, width))
            for (y, _), width in zip(pairs, (self.head_k_dim, self.head_k_dim, self.head_v_dim), strict=True)
        ]
        seen = past_key_values.get_seq_length(self.layer_idx) if held else 0
        if held and attention_mask is not None:
            seen = prepare_lens_from_mask(attention_mask) - steps
        begun = {"initial_state": held.get("recurrent_state"), "seen": seen}
        o, state = self.remembered(x, *heads, **begun, output_final_state=bool(use_cache), cu_seqlens=offsets)
        convolved = tuple(state for _, state in pairs) if self.use_short_conv else None
        update_layer_cache(self, past_key_values, recurrent_state=state, conv_state=convolved, offset=steps)
        y = self.o_proj(self.gated(x, o).flatten(-2))
        return repad_hidden_states(y, places, batch, steps), None, past_key_values

    def _projected(
        self, name: str, x: Tensor, before: Tensor | None, final: bool | None, offsets: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return queries, keys or values [B, T, H * D] and the state of their convolution."""
        y = getattr(self, f"{name}_proj")(x)
        if self.use_short_conv:
            convolution = getattr(self, f"{name}_conv1d")
            return convolution(y, cache=before, output_final_state=bool(final), cu_seqlens=offsets)
        activation = self.value_activation if name == "v" else self.key_activation
        return (y if activation is None else F.silu(y)), None
