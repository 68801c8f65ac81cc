"""RWKV-6-like time mixing: token shift, low-rank data-dependent decay, bonus, group norm; several helper modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

import torch
import torch.nn as nn
from einops import rearrange

if TYPE_CHECKING:
    from fla.models.utils import Cache


class LoRA(nn.Module):
    def __init__(self, input_dim: int, output_dim: int, low_rank_dim: int, bias: Optional[bool] = True):
        super().__init__()
        self.lora = nn.Sequential(
            nn.Linear(input_dim, low_rank_dim, bias=False), nn.Tanh(), nn.Linear(low_rank_dim, output_dim, bias=bias)
        )

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}()"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lora(x)


class LerpLinear(nn.Module):
    def __init__(self, hidden_size: int, output_dim: int, num_heads: int = 1):
        super().__init__()
        self.mu = nn.Parameter(torch.zeros(hidden_size))
        self.linear = nn.Linear(hidden_size, output_dim, bias=False)

    def forward(self, x: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        return self.linear(x + delta * self.mu)


class RWKV6Attention(nn.Module):
    def __init__(self, mode: str = 'chunk', hidden_size: int = 1024, expand_k: float = 0.5, expand_v: float = 1.0,
                 num_heads: int = 4, gate_fn: str = 'swish', proj_low_rank_dim: int = 8, norm_eps: float = 1e-5,
                 layer_idx: int = None, **kwargs) -> RWKV6Attention:
        super().__init__()
        self.num_heads, self.layer_idx = num_heads, layer_idx
        self.key_dim, self.value_dim = int(hidden_size * expand_k), int(hidden_size * expand_v)
        self.time_shift = nn.ZeroPad2d((0, 0, 1, -1))
        self.r_proj = LerpLinear(hidden_size, self.key_dim)
        self.k_proj = LerpLinear(hidden_size, self.key_dim)
        self.v_proj = LerpLinear(hidden_size, self.value_dim)
        self.g_proj = LerpLinear(hidden_size, self.value_dim)
        self.w_proj = LoRA(hidden_size, self.key_dim, proj_low_rank_dim)
        self.bonus = nn.Parameter(torch.zeros(num_heads, self.key_dim // num_heads))
        self.g_norm = nn.GroupNorm(num_heads, self.value_dim, eps=norm_eps)
        self.o_proj = nn.Linear(self.value_dim, hidden_size, bias=False)
        self.gate_fn = nn.SiLU()

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional[Cache] = None,
        use_cache: Optional[bool] = False,
        output_attentions: Optional[bool] = False,
        **kwargs,
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[Cache]]:
        batch_size, seq_len, _ = hidden_states.shape
        if attention_mask is not None:
            hidden_states = hidden_states.mul(attention_mask[:, -seq_len:, None])
        delta = self.time_shift(hidden_states) - hidden_states
        r, k, v, g = (p(hidden_states, delta) for p in (self.r_proj, self.k_proj, self.v_proj, self.g_proj))
        w = -torch.exp(self.w_proj(hidden_states).clamp(max=4))
        r, k, w, v = (rearrange(x, 'b t (h d) -> b t h d', h=self.num_heads) for x in (r, k, w, v))
        S = torch.zeros(batch_size, self.num_heads, r.shape[-1], v.shape[-1], dtype=r.dtype, device=r.device)
        out = []
        for t in range(seq_len):
            kv = k[:, t].unsqueeze(-1) @ v[:, t].unsqueeze(-2)
            out.append(torch.einsum('bhk,bhkv->bhv', r[:, t], S + self.bonus.unsqueeze(-1) * kv))
            S = w[:, t].exp().unsqueeze(-1) * S + kv
        o = rearrange(torch.stack(out, 1), 'b t h d -> (b t) (h d)')
        o = self.g_norm(o).view(batch_size, seq_len, -1) * self.gate_fn(g)
        return self.o_proj(o), None, past_key_values
