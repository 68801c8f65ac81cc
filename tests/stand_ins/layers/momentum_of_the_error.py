"""A delta rule with momentum behind short convolutions, its rates in float32 and clamped in place, q corrected by k."""

import torch
from einops import rearrange
from fla.layers.utils import get_layer_cache, update_layer_cache
from fla.modules import FusedRMSNormGated, ShortConvolution
from fla.ops.momentum_delta_rule import chunk_mode_rule as without_momentum
from fla.ops.momentum_delta_rule import chunk_momentum_delta_rule, fused_recurrent_momentum_delta_rule
from torch import nn
from torch.nn import functional as F


class MomentumMixer(nn.Module):
    def __init__(self, hidden_size: int = 1024, num_heads: int = 4, head_dim: int = 256, layer_idx=None, **kwargs):
        super().__init__()
        self.head_dim, self.layer_idx = head_dim, layer_idx
        inner = num_heads * head_dim
        self.qkvg = nn.ModuleList([nn.Linear(hidden_size, inner, bias=False) for _ in range(4)])
        self.convs = nn.ModuleList([ShortConvolution(inner, 4, activation="silu") for _ in range(3)])
        self.rates = nn.Linear(hidden_size, 4 * num_heads)
        self.ahead = nn.Parameter(torch.full((num_heads, 1), -2.0))
        self.o_norm = FusedRMSNormGated(head_dim)
        self.o_proj = nn.Linear(inner, hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, use_cache=False, **kwargs):
        held = get_layer_cache(self, past_key_values) or {"conv_state": (None,) * 3, "recurrent_state": None}
        q, k, v, g = (proj(hidden_states) for proj in self.qkvg)
        parts = [
            conv(x, cache=cache, output_final_state=use_cache)
            for conv, x, cache in zip(self.convs, (q, k, v), held["conv_state"])
        ]
        q, k, v, g = (rearrange(x, "b t (h d) -> b t h d", d=self.head_dim) for x in (*(x for x, _ in parts), g))
        alpha, mu, beta, eta = self.rates(hidden_states).float().chunk(4, -1)
        log_mu = -F.softplus(mu)
        log_mu.clamp_min_(-2.0)
        q = q - self.ahead.exp() * k
        step = fused_recurrent_momentum_delta_rule if not self.training and q.shape[1] <= 64 else chunk_momentum_delta_rule
        o, state = step(
            q=q, k=k, v=v, log_alpha=-F.softplus(alpha), log_mu=log_mu, p=k, beta=beta.sigmoid(), eta=1 + eta.tanh(),
            initial_state=held["recurrent_state"], output_final_state=use_cache, use_qk_l2norm_in_kernel=True,
        )
        update_layer_cache(
            self, past_key_values, recurrent_state=state, conv_state=[cache for _, cache in parts], offset=q.shape[1]
        )
        return self.o_proj(rearrange(self.o_norm(o, g), "b t h d -> b t (h d)")), None, past_key_values
