"""A layer file with the imports that published ones have: guarded, for types only, of names it never calls."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Optional

import torch
import torch.nn as nn
from einops import rearrange
from transformers.activations import ACT2FN
from transformers.utils import logging

from fla.layers.utils import get_layer_cache, repad_hidden_states, unpad_hidden_states, update_layer_cache
from fla.modules import GroupNorm, ShortConvolution
from fla.modules.activations import ACT2FN as FLA_ACTIVATIONS
from fla.ops.a_room_of_the_future import chunk_unheard_of
from fla.ops.gla import chunk_gla
from fla.utils import input_guard

try:
    from causal_conv1d import causal_conv1d_fn
except ImportError:
    causal_conv1d_fn = None
try:
    from fla.ops.a_room_of_the_future import fused_unheard_of as guarded
except ImportError:
    guarded = None
try:
    from flash_attn import flash_attn_func
except ImportError:
    warnings.warn("flash_attn is not there", ImportWarning)

if TYPE_CHECKING:
    from transformers.processing_utils import Unpack

logger = logging.get_logger(__name__)
VERBOSE = os.environ.get("LAYER_VERBOSE", "0") == "1"


class Layer(nn.Module):
    def __init__(self, hidden_size: int = 1024, num_heads: int = 4, layer_idx: Optional[int] = None, mode="chunk"):
        super().__init__()
        assert guarded is None
        if VERBOSE or mode == "unheard of":
            logger.warning_once("the operator is new")
            self.operator = chunk_unheard_of
        self.layer_idx, self.num_heads = layer_idx, num_heads
        self.q_proj, self.k_proj, self.v_proj, self.g_proj, self.o_proj = (
            nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(5)
        )
        self.conv = ShortConvolution(hidden_size, 4, activation="silu")
        self.norm = GroupNorm(num_heads, hidden_size)
        self.gate, self.feature = ACT2FN["silu"], FLA_ACTIVATIONS["sigmoid"]

    @input_guard
    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values=None,
        use_cache: Optional[bool] = False,
        **kwargs: Unpack[dict],
    ):
        batch, length, _ = hidden_states.shape
        last = get_layer_cache(self, past_key_values)
        x, indices, offsets = unpad_hidden_states(hidden_states, kwargs.get("cu_seqlens"), attention_mask, length)
        state = None if last is None else last["conv_state"]
        v, state = self.conv(self.v_proj(x), cache=state, output_final_state=use_cache, cu_seqlens=offsets)
        q, k = self.feature(self.q_proj(x)), self.feature(self.k_proj(x))
        g = nn.functional.logsigmoid(self.g_proj(x)) / 16
        q, k, v, g = (rearrange(t, "b t (h d) -> b t h d", h=self.num_heads) for t in (q, k, v, g))
        o, memory = chunk_gla(
            q=q, k=k, v=v, g=g, cu_seqlens=offsets, output_final_state=use_cache,
            initial_state=None if last is None else last["recurrent_state"],
        )
        update_layer_cache(self, past_key_values, recurrent_state=memory, conv_state=state, offset=length)
        o = self.o_proj(self.norm(rearrange(o, "b t h d -> b t (h d)")) * self.gate(x))
        return repad_hidden_states(o, indices, batch, length), None, past_key_values


if __name__ == "__main__":
    for trial in range(3):
        print(trial, Layer(32, 2)(torch.randn(1, 8, 32))[0].shape)
