# -*- coding: utf-8 -*-
from __future__ import annotations

import typing
from typing import Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, repeat

from fla.modules import FusedRMSNormGated, RMSNorm, ShortConvolution
from fla.modules.activations import ACT2FN

if typing.TYPE_CHECKING:
    from transformers.cache_utils import Cache


@torch.compile(dynamic=True)
def chunk_gla(q, k, v, gk, chunk_size: int = 16):
    """q, k, gk [b, h, l, dk], v [b, h, l, dv]: gated linear attention, chunk by chunk."""
    b, h, l, dk = q.shape
    pad = -l % chunk_size
    q, k, v, gk = (F.pad(x, (0, 0, 0, pad)) for x in (q, k, v, gk))
    q, k, v, gk = (rearrange(x, "b h (n c) d -> n b h c d", c=chunk_size) for x in (q, k, v, gk))
    mask = torch.tril(torch.ones(chunk_size, chunk_size, dtype=torch.bool, device=q.device))
    S = v.new_zeros(b, h, dk, v.shape[-1])
    os = []
    for q_i, k_i, v_i, g_i in zip(q, k, v, gk):
        cum = g_i.cumsum(-2)
        total = cum[..., -1:, :]
        # exp of differences only: both factors stay below one
        diff = (cum.unsqueeze(-2) - cum.unsqueeze(-3)).masked_fill(~mask[..., None], float("-inf"))
        attn = torch.einsum("bhid,bhjd,bhijd->bhij", q_i, k_i, diff.exp())
        os.append(attn @ v_i + (q_i * cum.exp()) @ S)
        S = total.exp().transpose(-1, -2) * S + (k_i * (total - cum).exp()).transpose(-1, -2) @ v_i
    return rearrange(torch.stack(os), "n b h c d -> b h (n c) d")[:, :, :l], S


class GatedLinearAttention(nn.Module):
    r"""
    The layer implementaion for `Gated Linear Attention Transformers with Hardware-Efficient Training`.
    """

    def __init__(
        self,
        mode: str = 'chunk',
        hidden_size: int = 1024,
        expand_k: float = 0.5,
        expand_v: float = 1.0,
        num_heads: int = 4,
        num_kv_heads: Optional[int] = None,
        feature_map: Optional[str] = None,
        use_short_conv: bool = False,
        conv_size: int = 4,
        conv_bias: bool = False,
        use_output_gate: bool = True,
        gate_fn: str = 'swish',
        elementwise_affine: Optional[bool] = True,
        norm_eps: float = 1e-5,
        gate_logit_normalizer: int = 16,
        gate_low_rank_dim: int = 16,
        clamp_min: Optional[float] = None,
        fuse_norm: bool = True,
        layer_idx: int = None,
    ) -> GatedLinearAttention:
        super().__init__()
        self.mode = mode
        self.hidden_size = hidden_size
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads if num_kv_heads is not None else num_heads
        self.num_kv_groups = self.num_heads // self.num_kv_heads
        self.feature_map_fn = ACT2FN[feature_map] if feature_map is not None else None
        self.use_short_conv = use_short_conv
        self.use_output_gate = use_output_gate
        self.key_dim = int(hidden_size * expand_k)
        self.value_dim = int(hidden_size * expand_v)
        self.key_dim_per_group = self.key_dim // self.num_kv_groups
        self.value_dim_per_group = self.value_dim // self.num_kv_groups
        self.clamp_min = clamp_min
        self.layer_idx = layer_idx
        assert mode in ['chunk', 'fused_recurrent', 'fused_chunk'], f"Not suppoerted mode `{mode}`."
        self.head_k_dim = self.key_dim // num_heads
        self.head_v_dim = self.value_dim // num_heads
        self.q_proj = nn.Linear(hidden_size, self.key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, self.key_dim_per_group, bias=False)
        self.v_proj = nn.Linear(hidden_size, self.value_dim_per_group, bias=False)
        if self.use_output_gate:
            self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        if use_short_conv:
            self.conv_size = conv_size
            self.q_conv1d = ShortConvolution(self.key_dim, conv_size, activation='silu')
            self.k_conv1d = ShortConvolution(self.key_dim_per_group, conv_size, activation='silu')
            self.v_conv1d = ShortConvolution(self.value_dim_per_group, conv_size, activation='silu')
        self.gk_proj = nn.Sequential(
            nn.Linear(hidden_size, gate_low_rank_dim, bias=False),
            nn.Linear(gate_low_rank_dim, self.key_dim_per_group, bias=True),
        )
        self.o_proj = nn.Linear(self.value_dim, hidden_size, bias=False)
        if gate_fn == 'swish' and fuse_norm and use_output_gate:
            self.g_norm_swish_gate = FusedRMSNormGated(
                hidden_size=self.head_v_dim, elementwise_affine=elementwise_affine, eps=norm_eps
            )
            self.fuse_norm_and_gate = True
        else:
            self.fuse_norm_and_gate = False
            self.g_norm = RMSNorm(hidden_size=self.head_v_dim, elementwise_affine=elementwise_affine, eps=norm_eps)
            self.gate_fn = ACT2FN[gate_fn]
        self.gate_logit_normalizer = gate_logit_normalizer

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional[Cache] = None,
        use_cache: Optional[bool] = False,
        output_attentions: Optional[bool] = False,
        **kwargs,
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[Cache]]:
        if attention_mask is not None:
            assert len(attention_mask.shape) == 2
        q = self.q_proj(hidden_states)
        k = self.k_proj(hidden_states)
        v = self.v_proj(hidden_states)
        gk = self.gk_proj(hidden_states)
        if self.feature_map_fn is not None:
            q, k = map(self.feature_map_fn, (q, k))
        q = rearrange(q, 'b t (h d) -> b h t d', d=self.head_k_dim)
        k, gk = (repeat(x, 'b t (h d) -> b (h g) t d', g=self.num_kv_groups, d=self.head_k_dim) for x in (k, gk))
        v = repeat(v, 'b t (h d) -> b (h g) t d', g=self.num_kv_groups, d=self.head_v_dim)
        gk = F.logsigmoid(gk) / self.gate_logit_normalizer
        if self.clamp_min is not None:
            gk = torch.clamp_min(gk, self.clamp_min)
        if attention_mask is not None:
            keep = attention_mask[:, None, -v.shape[2]:, None].to(v)
            v, gk = v * keep, gk * keep
        o, _ = chunk_gla(q * self.head_k_dim**-0.5, k, v, gk)
        o = rearrange(o, 'b h t d -> b t h d')
        if self.use_output_gate:
            g = rearrange(self.g_proj(hidden_states), 'b t (h d) -> b t h d', d=self.head_v_dim)
            if self.fuse_norm_and_gate:
                o = rearrange(self.g_norm_swish_gate(o, g), 'b t h d -> b t (h d)')
            else:
                o = rearrange(self.g_norm(o) * self.gate_fn(g), 'b t h d -> b t (h d)')
        else:
            o = rearrange(self.g_norm(o), 'b t h d -> b t (h d)')
        o = self.o_proj(o)
        return o, None, past_key_values

    def state_size(self, **kwargs) -> int:
        return self.key_dim * self.head_v_dim
