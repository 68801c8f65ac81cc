"""gated-deltanet-2

Gated DeltaNet-2: a delta rule with a decay per key channel, and separate gates for what is erased and what is written
(Hatamizadeh, Choi and Kautz 2026, arXiv 2605.22791).

Per head:
    S ← (I − k_t (b_t ⊙ k_t)ᵀ) diag(α_t) S + k_t (w_t ⊙ v_t)ᵀ
    o_t = Sᵀ q_t / √K
    α_t = exp(−a softplus(U V x_t + c)), one a key channel; b_t = σ(B x_t), one a key channel; w_t = σ(W x_t), one a
    value channel

Around it: causal convolutions with SiLU on queries, keys and values, queries and keys of unit length, RMS norm per
head, a low-rank sigmoid output gate. Low ranks are the width of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import causal_conv1d, generalized_delta, rms_norm


class GatedDelta2Mixer(nn.Module):
    """Token mixer: [B, T, D] to [B, T, D], causal in time."""

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.n_heads = n_heads
        head_dim = d_model // n_heads
        inner = n_heads * head_dim
        self.q_proj = nn.Linear(d_model, inner, bias=False)
        self.k_proj = nn.Linear(d_model, inner, bias=False)
        self.v_proj = nn.Linear(d_model, inner, bias=False)
        self.q_conv = nn.Parameter(torch.empty(inner, 4).uniform_(-0.87, 0.87))
        self.k_conv = nn.Parameter(torch.empty(inner, 4).uniform_(-0.87, 0.87))
        self.v_conv = nn.Parameter(torch.empty(inner, 4).uniform_(-0.87, 0.87))
        self.step_down = nn.Linear(d_model, head_dim, bias=False)
        self.step_up = nn.Linear(head_dim, inner)
        self.step_up.bias.data = torch.logspace(-2, -1, inner).expm1().log()  # steps of 0.01 to 0.1
        self.rate = nn.Parameter(torch.linspace(0.1, 0.4, n_heads).log().unsqueeze(-1))  # [H, 1]
        self.erase_proj = nn.Linear(d_model, inner, bias=False)
        self.write_proj = nn.Linear(d_model, inner, bias=False)
        self.o_norm = nn.Parameter(torch.ones(head_dim))
        self.gate_down = nn.Linear(d_model, head_dim, bias=False)
        self.gate_up = nn.Linear(head_dim, inner)
        self.o_proj = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T, D] -> [B, T, D], causal in T, at a cost linear in T."""
        q, _ = causal_conv1d(self.q_proj(x), self.q_conv, activation="silu")
        k, _ = causal_conv1d(self.k_proj(x), self.k_conv, activation="silu")
        v, _ = causal_conv1d(self.v_proj(x), self.v_conv, activation="silu")
        step = F.softplus(self.step_up(self.step_down(x)))
        erase, write = torch.sigmoid(self.erase_proj(x)), torch.sigmoid(self.write_proj(x))
        parts = q, k, v * write, step, erase
        q, k, v, step, erase = (z.unflatten(-1, (self.n_heads, -1)) for z in parts)  # [B, T, H, K]
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        o, _ = generalized_delta(q, k, v, probe=erase * k, erase=k, log_decay=-self.rate.exp() * step)
        o = rms_norm(o, self.o_norm).flatten(2)  # [B, T, H * V]
        return self.o_proj(o * torch.sigmoid(self.gate_up(self.gate_down(x))))  # [B, T, D]
