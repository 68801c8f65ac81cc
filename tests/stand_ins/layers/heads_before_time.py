"""A layer written when fla's operators took heads before time by default."""

import torch.nn as nn
from einops import rearrange
from fla.modules import FusedRMSNormSwishGate
from fla.ops.gla import chunk_gla
from torch.nn import functional as F


class GatedLinearAttention(nn.Module):
    def __init__(self, d_model: int = 1024, num_heads: int = 4, gate_logit_normalizer: int = 16, **kwargs):
        super().__init__()
        self.num_heads, self.normalizer = num_heads, gate_logit_normalizer
        self.q_proj, self.k_proj, self.v_proj, self.gk_proj, self.g_proj, self.o_proj = (
            nn.Linear(d_model, d_model, bias=False) for _ in range(6)
        )
        self.norm = FusedRMSNormSwishGate(d_model // num_heads)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, use_cache=False, **kwargs):
        q, k, v, g = (
            rearrange(proj(hidden_states), "b l (h d) -> b h l d", h=self.num_heads)
            for proj in (self.q_proj, self.k_proj, self.v_proj, self.gk_proj)
        )
        o, _ = chunk_gla(q, k, v, F.logsigmoid(g) / self.normalizer, output_final_state=use_cache)
        o = rearrange(o, "b h l d -> b l h d")
        o = self.norm(o, rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads))
        return self.o_proj(rearrange(o, "b l h d -> b l (h d)")), None, past_key_values
