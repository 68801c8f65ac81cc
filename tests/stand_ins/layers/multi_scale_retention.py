from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

import torch
import torch.nn as nn
from einops import rearrange
from fla.modules import FusedRMSNormGated, RMSNorm
from fla.modules.rotary import RotaryEmbedding

if TYPE_CHECKING:
    from fla.models.utils import Cache


@torch.jit.script
def _decay_matrix(gamma: torch.Tensor, size: int) -> torch.Tensor:
    i = torch.arange(size, device=gamma.device)
    distance = (i[:, None] - i[None, :]).to(gamma.dtype)
    return torch.where(distance >= 0, gamma[:, None, None] ** distance.clamp(min=0.0), torch.zeros_like(distance))


class MultiScaleRetention(nn.Module):
    def __init__(self, mode="chunk", hidden_size=1024, expand_k=1.0, expand_v=2.0, num_heads=8, use_output_gate=True,
                 gate_fn="swish", elementwise_affine=True, norm_eps=1e-5, layer_idx: Optional[int] = None, chunk=24, **kwargs):
        super().__init__()
        self.num_heads, self.chunk, self.layer_idx = num_heads, chunk, layer_idx
        self.key_dim, self.value_dim = int(hidden_size * expand_k), int(hidden_size * expand_v)
        self.head_qk_dim, self.head_v_dim = self.key_dim // num_heads, self.value_dim // num_heads
        self.q_proj = nn.Linear(hidden_size, self.key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, self.key_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        self.o_proj = nn.Linear(self.value_dim, hidden_size, bias=False)
        self.g_norm_swish_gate = FusedRMSNormGated(self.head_v_dim, elementwise_affine, norm_eps)
        assert self.head_qk_dim % 2 == 0
        self.rotary = RotaryEmbedding(dim=self.head_qk_dim)
        gamma = 1 - torch.exp2(-5 - torch.arange(num_heads, dtype=torch.float))
        self.register_buffer("gamma", gamma)

    def forward(self, hidden_states: torch.Tensor, attention_mask: Optional[torch.Tensor] = None,
                past_key_values: Optional[Cache] = None, use_cache: Optional[bool] = False,
                output_attentions: Optional[bool] = False, **kwargs) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[Cache]]:
        bsz, q_len, _ = hidden_states.size()
        seqlen_offset, max_seqlen = 0, q_len
        if past_key_values is not None:
            seqlen_offset = past_key_values.get_seq_length(self.layer_idx)
            max_seqlen = q_len + seqlen_offset
        q = rearrange(self.q_proj(hidden_states), "... (h d) -> ... h d", h=self.num_heads)
        k = rearrange(self.k_proj(hidden_states), "... (h d) -> ... h d", h=self.num_heads)
        v = rearrange(self.v_proj(hidden_states), "b t (h d) -> b h t d", h=self.num_heads)
        q, k = self.rotary(q, k, seqlen_offset=seqlen_offset, max_seqlen=max_seqlen)
        q, k = q.transpose(1, 2) * self.head_qk_dim ** -0.5, k.transpose(1, 2)
        S = v.new_zeros(bsz, self.num_heads, self.head_qk_dim, self.head_v_dim)
        outputs = []
        for start in range(0, q_len, self.chunk):
            qi, ki, vi = (x[:, :, start:start + self.chunk] for x in (q, k, v))
            size = qi.shape[2]
            pos = torch.arange(1, size + 1, device=q.device, dtype=self.gamma.dtype)
            inner = (qi @ ki.mT * _decay_matrix(self.gamma, size)) @ vi
            cross = (qi @ S) * (self.gamma[:, None] ** pos)[..., None]
            outputs.append(inner + cross)
            back = (self.gamma[:, None] ** (size - pos))[..., None]
            S = S * (self.gamma ** size)[:, None, None] + (ki * back).mT @ vi
        o = rearrange(torch.cat(outputs, dim=2), "b h t d -> b t h d")
        g = rearrange(self.g_proj(hidden_states), "b t (h d) -> b t h d", h=self.num_heads)
        o = rearrange(self.g_norm_swish_gate(o, g), "b t h d -> b t (h d)")
        return self.o_proj(o), None, past_key_values
