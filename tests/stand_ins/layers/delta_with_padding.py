"""A delta-rule layer in fla's form: unpadding by mask, short convolutions, a compiled kernel, a gated norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from fla.layers.utils import get_unpad_data, index_first_axis, pad_input
from fla.modules import FusedRMSNormGated, RMSNorm, ShortConvolution
from fla.modules.l2norm import l2norm
from torch import nn

if TYPE_CHECKING:
    from fla.models.utils import Cache


@torch.compile
def delta_rule(q, k, v, beta):
    state = q.new_zeros(q.shape[0], q.shape[2], q.shape[3], v.shape[3])
    outputs = []
    for t in range(q.shape[1]):
        error = v[:, t] - torch.einsum("bhk,bhkv->bhv", k[:, t], state)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], beta[:, t, :, None] * error)
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(outputs, 1)


class Scale(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_heads, hidden_size // num_heads))

    def forward(self, x):
        return x * self.weight


class DeltaNet(nn.Module):
    def __init__(
        self,
        mode: str = "chunk1",
        d_model: int | None = None,
        hidden_size: int = 1024,
        num_heads: int = 4,
        use_gate: bool = True,
        conv_size: int = 4,
        layer_idx: int | None = None,
        **kwargs: dict,
    ):
        super().__init__()
        hidden_size = d_model or hidden_size
        self.num_heads, self.use_gate, self.layer_idx = num_heads, use_gate, layer_idx
        self.q_proj, self.k_proj, self.v_proj, self.g_proj, self.o_proj = (
            nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(5)
        )
        self.b_proj = nn.Linear(hidden_size, num_heads)
        self.q_conv1d, self.k_conv1d, self.v_conv1d = (ShortConvolution(hidden_size, conv_size) for _ in range(3))
        self.scale = Scale(hidden_size, num_heads)
        norm = FusedRMSNormGated if use_gate else RMSNorm
        self.o_norm = norm(hidden_size // num_heads, eps=1e-5)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = False,
        **kwargs: dict,
    ):
        batch, length, _ = hidden_states.shape
        indices, cu_seqlens = None, None
        if attention_mask is not None:
            indices, cu_seqlens, _ = get_unpad_data(attention_mask[:, -length:])
            hidden_states = index_first_axis(rearrange(hidden_states, "b s d -> (b s) d"), indices).unsqueeze(0)
        q, _ = self.q_conv1d(x=self.q_proj(hidden_states), output_final_state=use_cache, cu_seqlens=cu_seqlens)
        k, _ = self.k_conv1d(x=self.k_proj(hidden_states), output_final_state=use_cache, cu_seqlens=cu_seqlens)
        v, _ = self.v_conv1d(x=self.v_proj(hidden_states), output_final_state=use_cache, cu_seqlens=cu_seqlens)
        q, k, v = (rearrange(x, "b l (h d) -> b l h d", h=self.num_heads) for x in (q, k, v))
        o = self.scale(delta_rule(l2norm(q), l2norm(k), v, self.b_proj(hidden_states).sigmoid()))
        g = rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads)
        o = self.o_norm(o, g) if self.use_gate else self.o_norm(o)
        o = self.o_proj(rearrange(o, "b l h d -> b l (h d)"))
        if attention_mask is not None:
            o = pad_input(o.squeeze(0), indices, batch, length)
        return o, None, past_key_values
