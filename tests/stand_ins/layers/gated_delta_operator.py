"""A gated delta layer in fla's form that calls fla's operators, with rotary positions."""

import torch
from einops import rearrange
from fla.modules import RMSNorm, RotaryEmbedding
from fla.modules.activations import ACT2FN
from fla.ops.gated_delta_rule import chunk_gated_delta_rule
from torch import nn


class GatedDeltaNet(nn.Module):
    def __init__(self, hidden_size=2048, num_heads=6, layer_idx=None):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.ab = nn.Linear(hidden_size, 2 * num_heads)
        self.rotary = RotaryEmbedding(hidden_size // num_heads)
        self.norm = RMSNorm(hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, use_cache=False, **kwargs):
        q, k, v = rearrange(self.qkv(hidden_states), "b t (n h d) -> n b t h d", n=3, h=self.num_heads)
        q, k = self.rotary(q, k)
        g, beta = self.ab(hidden_states).chunk(2, -1)
        o, _ = chunk_gated_delta_rule(
            q, ACT2FN["silu"](k), v, g=torch.nn.functional.logsigmoid(g), beta=beta.sigmoid(), use_qk_l2norm_in_kernel=True
        )
        return self.out(self.norm(rearrange(o, "b t h d -> b t (h d)")))
