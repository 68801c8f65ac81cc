"""Gated slot attention: two passes over a bounded memory, with mandatory forward arguments and a list returned."""
import math
from typing import List, Optional

import torch
from torch import Tensor, nn
from einops import rearrange
from fla.modules import RMSNorm
from fla.modules.layernorm import rms_norm_linear


class GatedSlotAttention(nn.Module):
    def __init__(self, *, hidden_size: int, num_heads: int, num_slots: int = 16, gate_logit_normalizer: int = 8,
                 scale: Optional[float] = 1.0, norm_eps: float = 1e-5, layer_idx: Optional[int] = None, **kwargs):
        super().__init__()
        self.num_heads, self.num_slots, self.scale = num_heads, num_slots, scale
        self.normalizer, self.layer_idx, self.norm_eps = gate_logit_normalizer, layer_idx, norm_eps
        self.head_dim = hidden_size // num_heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(3))
        self.f_proj = nn.Linear(hidden_size, num_heads * num_slots, bias=False)
        self.g_norm = RMSNorm(hidden_size, True, eps=norm_eps)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, hidden_states: Tensor, attention_mask: Optional[Tensor], past_key_values, use_cache: bool = False) -> List:
        q, k, v = self.q_proj(hidden_states), self.k_proj(hidden_states), self.v_proj(hidden_states)
        q, k, v, f = (
            rearrange(x, "b t (h d) -> b t h d", h=self.num_heads) for x in (q, k, v, self.f_proj(hidden_states))
        )
        f = nn.functional.logsigmoid(f) / self.normalizer
        s = (1 - f.exp()).to(f.dtype)
        K = q.new_zeros(q.shape[0], self.num_heads, self.num_slots, self.head_dim)
        V = torch.zeros_like(K)
        outs = []
        for t in range(q.shape[1]):
            g, w = f[:, t].exp().unsqueeze(-1), s[:, t].unsqueeze(-1)
            K = g * K + w * k[:, t].unsqueeze(-2)
            V = g * V + w * v[:, t].unsqueeze(-2)
            p = torch.softmax((K @ q[:, t].unsqueeze(-1)).squeeze(-1) * self.scale / math.sqrt(self.head_dim), -1)
            outs.append((p.unsqueeze(-2) @ V).squeeze(-2))
        o = rearrange(torch.stack(outs, 1), "b t h d -> b t (h d)")
        o = rms_norm_linear(nn.functional.silu(o), self.g_norm.weight, self.g_norm.bias, self.o_proj.weight, self.o_proj.bias)
        return [o, None, past_key_values]
