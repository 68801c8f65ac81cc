"""rwkv-7

RWKV-7: a generalised delta rule with a decay and a learning rate per key channel, and separate keys for removing and
for writing (Peng et al. 2025, arXiv 2503.14456).

Per head, with a row vector for every letter:
    S ← S (diag(w_t) − κ_tᵀ (a_t ⊙ κ_t)) + v_tᵀ k̃_t
    o_t = norm(r_t Sᵀ) + (r_t ⊙ ρ) k̃_tᵀ v_t
    w_t = exp(−e^(−1/2) σ(tanh(x V₁) U₁ + c₁)); a_t = σ(x V₂ U₂ + c₂), both one a key channel
    κ_t = k_t ⊙ ξ at unit length; k̃_t = k_t ⊙ (1 + (a_t − 1) ⊙ ω); k_t = x W

Around it: a token shift of its own for each of r, w, k, v, a and the gate, group norm per head, a low-rank gate with a
sigmoid in the middle. The paper's value residual is left out: it needs the values of the model's first layer, and a
mixer sees its own layer alone. Vectors start as those of the first layer in the authors' code.

The kernel erases what it reads from the decayed state, so κ is divided by w, which is at least 0.54.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import causal_conv1d, generalized_delta

DECAY_SCALE = math.exp(-0.5)


class Rwkv7Mixer(nn.Module):
    """Token mixer: [B, T, D] to [B, T, D], causal in time."""

    before: Tensor

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = d_model // n_heads
        inner = n_heads * self.head_dim
        line = torch.linspace(-0.5, 0.5, inner)
        wave = torch.linspace(-1.0, 1.0, self.head_dim).repeat(n_heads)
        wave = wave * wave.abs()
        powers = torch.tensor([0.2, 0.9, 0.7, 0.7, 0.9, 0.2]).unsqueeze(-1)  # of r, w, k, v, a and the gate
        self.register_buffer("before", torch.tensor([1.0, 0.0]).repeat(d_model, 1), persistent=False)  # taps: x_(t-1)
        self.shift = nn.Parameter(1 - (torch.arange(d_model) / d_model) ** powers)  # [6, D], share of the token before
        rank = max(16, 16 * round(2.5 * d_model**0.5 / 16))
        self.r_proj = nn.Linear(d_model, inner, bias=False)
        self.k_proj = nn.Linear(d_model, inner, bias=False)
        self.v_proj = nn.Linear(d_model, inner, bias=False)
        self.decay = nn.Sequential(nn.Linear(d_model, rank, bias=False), nn.Tanh(), nn.Linear(rank, inner))
        self.decay[2].bias.data = 6 * line + 2.5 * wave - 2.5
        self.rate = nn.Sequential(nn.Linear(d_model, rank, bias=False), nn.Linear(rank, inner))
        self.rate[1].bias.data = 0.4 * line + 0.3 * wave - 0.19
        gate = nn.Linear(d_model, 2 * rank, bias=False), nn.Sigmoid(), nn.Linear(2 * rank, inner, bias=False)
        self.gate = nn.Sequential(*gate)
        self.removal = nn.Parameter(0.71 - 0.1 * line)  # ξ
        self.replacement = nn.Parameter(torch.full((inner,), 1.02))  # ω
        self.bonus = nn.Parameter(torch.full((n_heads, self.head_dim), -0.04))  # ρ
        self.o_norm = nn.Parameter(torch.ones(inner))
        self.o_shift = nn.Parameter(torch.zeros(inner))
        self.o_proj = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T, D] -> [B, T, D], causal in T, at a cost linear in T."""
        before, _ = causal_conv1d(x, self.before)  # a kernel, since exports decode with the kernels' memory
        x_r, x_w, x_k, x_v, x_a, x_g = (torch.lerp(x, before, share) for share in self.shift.unbind(0))
        r, k, v = self.r_proj(x_r), self.k_proj(x_k), self.v_proj(x_v)
        log_decay = -DECAY_SCALE * torch.sigmoid(self.decay(x_w))
        rate = torch.sigmoid(self.rate(x_a))
        parts = r, k * (1 + (rate - 1) * self.replacement), v, k * self.removal, rate, log_decay
        r, written, v, removed, rate, log_decay = (z.unflatten(-1, (self.n_heads, -1)) for z in parts)  # [B, T, H, K]
        removed = F.normalize(removed, dim=-1)
        o, _ = generalized_delta(
            r, written, v, probe=removed * torch.exp(-log_decay), erase=rate * removed, log_decay=log_decay, scale=1.0
        )
        o = F.group_norm(o.flatten(0, 1).flatten(1), self.n_heads, self.o_norm, self.o_shift, 1e-5 * self.head_dim)
        o = o.unflatten(0, x.shape[:2]).unflatten(-1, (self.n_heads, -1))
        o = o + (r * self.bonus * written).sum(-1, keepdim=True) * v
        return self.o_proj(o.flatten(2) * self.gate(x_g))  # [B, T, D]
