"""Kalman gains with a learned prior precision, isotropic in one branch and by channel in the other."""

import torch
from einops import rearrange
from fla.modules import FusedRMSNormGated
from fla.ops.diag_kdn import chunk_diag_kdn
from fla.ops.iso_kdn import chunk_iso_kdn
from torch import nn
from torch.nn import functional as F


class KalmanMixer(nn.Module):
    def __init__(self, hidden_size: int = 2048, head_dim: int = 128, num_heads: int = 16, layer_idx: int = None, **kwargs):
        super().__init__()
        self.head_dim, inner = head_dim, num_heads * head_dim
        self.maps = nn.ModuleList([nn.Linear(hidden_size, inner, bias=False) for _ in range(6)])
        self.noise = nn.Linear(hidden_size, 2 * num_heads)
        self.A_log = nn.Parameter(torch.zeros(num_heads))
        self.dt_bias = nn.Parameter(torch.zeros(inner))
        self.prior = nn.Parameter(torch.zeros(num_heads))
        self.o_norm = FusedRMSNormGated(head_dim, activation="sigmoid")
        self.o_proj = nn.Linear(inner, hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        q, k, v, f, omega, g = (
            rearrange(proj(hidden_states), "... (h d) -> ... h d", d=self.head_dim) for proj in self.maps
        )
        by_head, r = (0.01 + F.softplus(self.noise(hidden_states).float())).chunk(2, -1)
        prior = (0.1 + F.softplus(self.prior)).expand(len(q), -1)
        shared = {"A_log": self.A_log, "dt_bias": self.dt_bias, "use_gate_in_kernel": True, "use_qk_l2norm_in_kernel": True}
        o, _ = chunk_iso_kdn(q, k, v, f, by_head, r, initial_state=(None, prior), **shared, state_v_first=True)
        wide = prior[..., None].expand(-1, -1, self.head_dim)
        by_channel, _ = chunk_diag_kdn(q, k, v, f, F.softplus(omega), r, initial_state=(None, wide), **shared)
        o = self.o_norm(o + by_channel, g)
        return self.o_proj(rearrange(o, "b t h d -> b t (h d)")), None, None
