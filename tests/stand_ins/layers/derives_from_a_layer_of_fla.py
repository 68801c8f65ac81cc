"""One of fla's own layers with a second, faster memory; its constructor names only the new arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from fla.layers import GatedDeltaNet
from fla.layers.utils import get_layer_cache, update_layer_cache
from fla.ops.gated_delta_rule import chunk_gated_delta_rule, fused_recurrent_gated_delta_rule

if TYPE_CHECKING:
    from fla.models.utils import Cache


class TwoSpeeds(GatedDeltaNet):
    def __init__(self, *args, speed_up: float = 4.0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.speed_up = speed_up
        self.between = nn.Linear(self.hidden_size, self.num_v_heads)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,
        **kwargs,
    ):
        if attention_mask is not None:
            hidden_states = hidden_states * attention_mask[:, -hidden_states.shape[1] :, None].to(hidden_states)
        held = get_layer_cache(self, past_key_values)
        convolved, states = (None, None, None), (None, None)
        if held is not None:
            convolved, states = held["conv_state"], held["recurrent_state"]
        projected = [
            convolve(x=project(hidden_states), cache=cache, output_final_state=use_cache)
            for project, convolve, cache in zip(
                (self.q_proj, self.k_proj, self.v_proj), (self.q_conv1d, self.k_conv1d, self.v_conv1d), convolved
            )
        ]
        q, k = (rearrange(y, "... (h d) -> ... h d", d=self.head_k_dim) for y, _ in projected[:2])
        v = rearrange(projected[2][0], "... (h d) -> ... h d", d=self.head_v_dim)
        step, rate = self.b_proj(hidden_states).sigmoid(), F.softplus(self.a_proj(hidden_states).float() + self.dt_bias)
        run = chunk_gated_delta_rule if self.training else fused_recurrent_gated_delta_rule
        outputs = [
            run(
                q=q, k=k, v=v, g=-self.A_log.float().exp() * rate * speed, beta=step, initial_state=state,
                output_final_state=use_cache, use_qk_l2norm_in_kernel=True,
            )
            for speed, state in zip((1.0, self.speed_up), states)
        ]
        update_layer_cache(
            self, past_key_values, recurrent_state=tuple(state for _, state in outputs),
            conv_state=tuple(state for _, state in projected), offset=hidden_states.shape[1],
        )
        o = torch.lerp(outputs[0][0], outputs[1][0], self.between(hidden_states).sigmoid()[..., None])
        o = self.o_norm(o, rearrange(self.g_proj(hidden_states), "... (h d) -> ... h d", d=self.head_v_dim))
        return self.o_proj(rearrange(o, "b t h d -> b t (h d)")), None, past_key_values
