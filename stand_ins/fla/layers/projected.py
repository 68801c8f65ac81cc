"""The common part of fla's linear attention layers: projections and short convolutions, an operator, an output gate.

A subclass applies its operator in `_apply_operator`, and normalises and gates the output in `_normalise_output`.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.layers.utils import get_layer_cache, repad_hidden_states, unpad_hidden_states, update_layer_cache
from stand_ins.fla.modules.convolution import ShortConvolution
from stand_ins.packed_sequences import prepare_lens_from_mask

State = Any
"""The final state of an operator: a tensor [B, H, K, V], or None."""


def share(whole: int, parts: int) -> int:
    """Return the size of one of the parts. Raises ValueError if the parts are not equal whole numbers."""
    if whole % parts:
        raise ValueError(f"{whole} can't be split among {parts} heads")
    return whole // parts


class ProjectedLayer(nn.Module, ABC):
    """Queries, keys and values of each token, one operator over time, and an output projection."""

    head_k_dim: int
    head_v_dim: int
    key_activation: str | None = "silu"
    """Activation of queries and keys, inside their convolutions if the layer has any."""
    value_activation: str | None = "silu"
    """Activation of values."""

    def project(self, hidden_size: int, key_dim: int, value_dim: int, shared: int = 1) -> None:
        """Create the projections; `shared` query heads share the same keys and values."""
        self.hidden_size, self.key_dim, self.value_dim = hidden_size, key_dim, value_dim
        self.q_proj = nn.Linear(hidden_size, key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, key_dim // shared, bias=False)
        self.v_proj = nn.Linear(hidden_size, value_dim // shared, bias=False)
        self.o_proj = nn.Linear(value_dim, hidden_size, bias=False)

    def convolve(self, use_short_conv: bool, size: int, bias: bool, layer_idx: int | None) -> None:
        """Create the convolutions, if the layer uses them."""
        self.use_short_conv, self.conv_size, self.conv_bias, self.layer_idx = use_short_conv, size, bias, layer_idx
        if use_short_conv:
            activations = {"q": self.key_activation, "k": self.key_activation, "v": self.value_activation}
            for name, activation in activations.items():
                width = getattr(self, f"{name}_proj").out_features
                setattr(self, f"{name}_conv1d", ShortConvolution(width, size, bias, activation))

    @abstractmethod
    def _apply_operator(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Return (o [B, T, H, V], state) of q, k [B, T, H, K] and v [B, T, H, V].

        `more` are arguments of the operator, and `seen_tokens`: the number of earlier tokens, one for all sequences
        or one for each [B].
        """

    @abstractmethod
    def _normalise_output(self, x: Tensor, o: Tensor) -> Tensor:
        """Return o [B, T, H, V] normalised, and gated by the tokens x [B, T, D]."""

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
        cached = get_layer_cache(self, past_key_values) or {}
        x, indices, offsets = unpad_hidden_states(hidden_states, more.get("cu_seqlens"), attention_mask, steps)
        conv_states = cached.get("conv_state") or (None, None, None)
        pairs = [self._project(n, x, s, use_cache, offsets) for n, s in zip("qkv", conv_states, strict=True)]
        heads = [
            y.unflatten(-1, (-1, width))
            for (y, _), width in zip(pairs, (self.head_k_dim, self.head_k_dim, self.head_v_dim), strict=True)
        ]
        seen_tokens = past_key_values.get_seq_length(self.layer_idx) if cached else 0
        if cached and attention_mask is not None:
            seen_tokens = prepare_lens_from_mask(attention_mask) - steps
        start = {"initial_state": cached.get("recurrent_state"), "seen_tokens": seen_tokens}
        o, state = self._apply_operator(x, *heads, **start, output_final_state=bool(use_cache), cu_seqlens=offsets)
        conv_states = tuple(state for _, state in pairs) if self.use_short_conv else None
        update_layer_cache(self, past_key_values, recurrent_state=state, conv_state=conv_states, offset=steps)
        y = self.o_proj(self._normalise_output(x, o).flatten(-2))
        return repad_hidden_states(y, indices, batch, steps), None, past_key_values

    def _project(
        self, name: str, x: Tensor, state: Tensor | None, final: bool | None, offsets: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return queries, keys or values [B, T, H * D] and the state of their convolution."""
        y = getattr(self, f"{name}_proj")(x)
        if self.use_short_conv:
            convolution = getattr(self, f"{name}_conv1d")
            return convolution(y, cache=state, output_final_state=bool(final), cu_seqlens=offsets)
        activation = self.value_activation if name == "v" else self.key_activation
        return (y if activation is None else F.silu(y)), None
