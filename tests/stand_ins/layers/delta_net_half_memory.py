"""A delta layer that keeps its memory in bfloat16 by name and writes it with index operations, which autocast leaves alone."""
from typing import Optional, Tuple

import torch
import torch.nn as nn
from einops import rearrange
from fla.modules import RMSNorm
from fla.modules.l2norm import l2norm


class HeadScale(nn.Module):
    def __init__(self, hidden_size: int, num_heads: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_heads, hidden_size // num_heads))

    def forward(self, x):
        return x * self.scale


class DeltaNet(nn.Module):
    def __init__(self, mode="chunk1", d_model=None, hidden_size=1024, num_heads=4, layer_idx=None, norm_eps=1e-5, **kwargs):
        super().__init__()
        hidden_size = d_model if d_model is not None else hidden_size
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(3))
        self.b_proj = nn.Linear(hidden_size, num_heads)
        self.head_scale = HeadScale(hidden_size, num_heads)
        self.o_norm = RMSNorm(hidden_size // num_heads, eps=norm_eps)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, hidden_states: torch.Tensor, attention_mask: Optional[torch.Tensor] = None, past_key_values=None,
                use_cache: Optional[bool] = False, output_attentions: Optional[bool] = False, **kwargs) -> Tuple:
        b, l, _ = hidden_states.shape
        q, k, v = (rearrange(p(hidden_states), "b l (h d) -> b h l d", h=self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = l2norm(q), l2norm(k)
        beta = self.b_proj(hidden_states).sigmoid().transpose(1, 2)
        S = torch.zeros(b, self.num_heads, q.shape[-1], v.shape[-1], dtype=torch.bfloat16, device=q.device)
        rows = torch.arange(b, device=q.device)
        outs = []
        for t in range(l):
            error = v[:, :, t] - (k[:, :, t, :, None] * S).sum(-2)
            S = S.index_add(0, rows, k[:, :, t, :, None] * (beta[:, :, t, None] * error)[:, :, None])
            outs.append(self.head_scale((q[:, :, t, :, None] * S).sum(-2)))
        o = self.o_norm(torch.stack(outs, 1))
        return self.o_proj(o.flatten(2)), None, past_key_values
