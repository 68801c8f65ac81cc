"""comba

Comba: a gated delta rule whose feedback has a strength of its own, and whose read corrects the query (Hu et al. 2025,
arXiv 2506.02475).

Per head:
    S ← S (α_t − b β_t k_t k_tᵀ) + β_t v_t k_tᵀ
    o_t = S (q_t − d k_t) / √K
    α_t = exp(−a softplus(w x_t + c)); β_t = σ(u x_t); b in (0, 1) and d learned, one a head

The kernel computes S ← α S + β' k (v' − α Sᵀ k)ᵀ. With β' = b β / α and v' = (α / b) v that is the same: β' α = b β and
β' v' = β v.

Around it: causal convolutions with SiLU on queries, keys and values, queries and keys of unit length, values twice as
wide as the model, RMS norm per head, a sigmoid output gate.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import causal_conv1d, linear_recurrence, rms_norm

LEAST_LOG_DECAY = -20.0
"""Log decay is clamped to it, so that 1 / α stays finite; a state that fades more than this is forgotten anyway."""


class CombaMixer(nn.Module):
    """Token mixer: [B, T, D] to [B, T, D], causal in time."""

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.n_heads = n_heads
        head_dim = d_model // n_heads
        value_dim = 2 * head_dim
        self.q_proj = nn.Linear(d_model, n_heads * head_dim, bias=False)
        self.k_proj = nn.Linear(d_model, n_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)
        self.q_conv = nn.Parameter(torch.empty(n_heads * head_dim, 4).uniform_(-0.87, 0.87))
        self.k_conv = nn.Parameter(torch.empty(n_heads * head_dim, 4).uniform_(-0.87, 0.87))
        self.v_conv = nn.Parameter(torch.empty(n_heads * value_dim, 4).uniform_(-0.87, 0.87))
        self.step_proj = nn.Linear(d_model, n_heads)
        self.step_proj.bias.data = torch.logspace(-2, -1, n_heads).expm1().log()  # steps of 0.01 to 0.1
        self.rate = nn.Parameter(torch.linspace(0.1, 0.4, n_heads).log())  # log of the decay rates
        self.beta_proj = nn.Linear(d_model, n_heads, bias=False)
        self.feedback = nn.Parameter(torch.ones(n_heads))  # b is its sigmoid
        self.correction = nn.Parameter(torch.full((n_heads,), 0.02))  # d
        self.o_norm = nn.Parameter(torch.ones(value_dim))
        self.gate_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)
        self.o_proj = nn.Linear(n_heads * value_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T, D] -> [B, T, D], causal in T, at a cost linear in T."""
        q, _ = causal_conv1d(self.q_proj(x), self.q_conv, activation="silu")
        k, _ = causal_conv1d(self.k_proj(x), self.k_conv, activation="silu")
        v, _ = causal_conv1d(self.v_proj(x), self.v_conv, activation="silu")
        q, k, v = (z.unflatten(-1, (self.n_heads, -1)) for z in (q, k, v))  # [B, T, H, K], [B, T, H, V]
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        q = q - self.correction.unsqueeze(-1) * k
        g = (-self.rate.exp() * F.softplus(self.step_proj(x))).clamp_min(LEAST_LOG_DECAY)  # [B, T, H]
        feedback = torch.sigmoid(self.feedback)  # [H]
        beta = torch.sigmoid(self.beta_proj(x))  # [B, T, H]
        scaled = (g.exp() / feedback).unsqueeze(-1) * v  # [B, T, H, V]
        o, _ = linear_recurrence(q, k, scaled, log_decay=g, beta=feedback * beta * torch.exp(-g))  # [B, T, H, V]
        o = rms_norm(o, self.o_norm).flatten(2)  # [B, T, H * V]
        return self.o_proj(o * torch.sigmoid(self.gate_proj(x)))  # [B, T, D]
