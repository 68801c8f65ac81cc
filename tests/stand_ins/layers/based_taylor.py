"""Based-style linear attention with a second-order Taylor feature map; returns a plain tensor."""
import math
from typing import Optional

import torch
import torch.nn as nn
from einops import rearrange


class TaylorFeatureMap(nn.Module):
    def __init__(self, head_dim: int):
        super().__init__()
        self.head_dim, self.r2, self.rd, self.rrd = head_dim, math.sqrt(2), math.sqrt(head_dim), head_dim**0.25

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x2 = rearrange(x.unsqueeze(-1) * x.unsqueeze(-2), "... m n -> ... (m n)") / self.r2
        return torch.cat([torch.ones_like(x[..., :1]), x / self.rrd, x2 / self.rd], dim=-1)


class BasedLinearAttention(nn.Module):
    def __init__(self, hidden_size: int, feature_dim: int = 8, num_key_value_heads: int = 2, num_heads: int = 2,
                 eps: float = 1e-12, causal: bool = True, mode: str = "parallel"):
        super().__init__()
        self.num_heads, self.feature_dim, self.eps, self.chunk = num_heads, feature_dim, eps, 32
        self.q_proj = nn.Linear(hidden_size, feature_dim * num_heads, bias=False)
        self.k_proj = nn.Linear(hidden_size, feature_dim * num_heads, bias=False)
        self.v_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.dropout = nn.Identity()
        self.feature_map = TaylorFeatureMap(feature_dim)

    def forward(self, hidden_states: torch.Tensor, **kwargs):
        q, k, v = self.q_proj(hidden_states), self.k_proj(hidden_states), self.v_proj(hidden_states)
        q, k, v = (rearrange(x, "b l (h d) -> b h l d", h=self.num_heads) for x in (q, k, v))
        q, k = self.feature_map(q), self.feature_map(k)
        KV = v.new_zeros(*v.shape[:2], k.shape[-1], v.shape[-1])
        Z = v.new_zeros(*v.shape[:2], k.shape[-1])
        out = []
        for qi, ki, vi in zip(*(x.split(self.chunk, dim=2) for x in (q, k, v))):
            attn = (qi @ ki.transpose(-1, -2)).tril()
            num = attn @ vi + qi @ KV
            den = attn.sum(-1) + torch.einsum("bhld,bhd->bhl", qi, Z)
            out.append(num / (den.unsqueeze(-1) + self.eps))
            KV, Z = KV + ki.transpose(-1, -2) @ vi, Z + ki.sum(2)
        y = rearrange(torch.cat(out, 2), "b h l d -> b l (h d)")
        return self.dropout(self.o_proj(y)).to(hidden_states.dtype)
