"""A Mamba-2-like layer: scalar decay per head, segment sums within chunks. The width is called d_model, heads num_heads."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, repeat
from fla.modules.fused_norm_gate import FusedRMSNormGated


def segsum(x):
    T = x.size(-1)
    x = repeat(x, "... d -> ... d e", e=T)
    mask = torch.tril(torch.ones(T, T, device=x.device, dtype=bool), diagonal=-1)
    x = x.masked_fill(~mask, 0)
    x_segsum = torch.cumsum(x, dim=-2)
    mask = torch.tril(torch.ones(T, T, device=x.device, dtype=bool), diagonal=0)
    return x_segsum.masked_fill(~mask, -torch.inf)


class Mamba2Mixer(nn.Module):
    def __init__(self, d_model=None, num_heads=4, state_size=8, expand=1, conv_kernel=4, chunk_size=16, layer_idx=None, **kwargs):
        super().__init__()
        self.num_heads, self.state_size, self.chunk_size = num_heads, state_size, chunk_size
        self.inner = expand * d_model
        self.in_proj = nn.Linear(d_model, 2 * self.inner + 2 * state_size + num_heads, bias=False)
        self.conv1d = nn.Conv1d(self.inner + 2 * state_size, self.inner + 2 * state_size, conv_kernel,
                                groups=self.inner + 2 * state_size, padding=conv_kernel - 1)
        self.dt_bias = nn.Parameter(torch.log(torch.expm1(torch.linspace(0.01, 0.1, num_heads))))
        self.A_log = nn.Parameter(torch.log(torch.arange(1, num_heads + 1).float()))
        self.D = nn.Parameter(torch.ones(num_heads))
        self.norm = FusedRMSNormGated(self.inner, eps=1e-5)
        self.out_proj = nn.Linear(self.inner, d_model, bias=False)

    def forward(self, hidden_states, attention_mask=None, cache_params=None, cache_position=None, **kwargs):
        b, l, _ = hidden_states.shape
        z, xBC, dt = self.in_proj(hidden_states).split([self.inner, self.inner + 2 * self.state_size, self.num_heads], -1)
        xBC = F.silu(self.conv1d(xBC.transpose(1, 2))[..., :l].transpose(1, 2))
        x, B, C = xBC.split([self.inner, self.state_size, self.state_size], -1)
        dt = F.softplus(dt + self.dt_bias)
        A = -self.A_log.exp() * dt
        x = rearrange(x, "b l (h p) -> b l h p", h=self.num_heads)
        skip = x * self.D[:, None]
        x = x * dt[..., None]
        pad = -l % self.chunk_size
        x, A = F.pad(x, (0, 0, 0, 0, 0, pad)), F.pad(A, (0, 0, 0, pad))
        B, C = (F.pad(t, (0, 0, 0, pad)) for t in (B, C))
        x, B, C = (rearrange(t, "b (c l) ... -> b c l ...", l=self.chunk_size) for t in (x, B, C))
        A = rearrange(A, "b (c l) h -> b h c l", l=self.chunk_size)
        A_cumsum = torch.cumsum(A, dim=-1)
        Y_diag = torch.einsum("bcln,bcsn,bhcls,bcshp->bclhp", C, B, segsum(A).exp(), x)
        states = torch.einsum("bcln,bhcl,bclhp->bchpn", B, (A_cumsum[..., -1:] - A_cumsum).exp(), x)
        S, before = torch.zeros_like(states[:, 0]), []
        for c in range(states.shape[1]):
            before.append(S)
            S = S * A_cumsum[:, :, c, -1].exp()[..., None, None] + states[:, c]
        Y_off = torch.einsum("bcln,bchpn,bhcl->bclhp", C, torch.stack(before, 1), A_cumsum.exp())
        y = rearrange(Y_diag + Y_off, "b c l h p -> b (c l) h p")[:, :l] + skip
        return self.out_proj(self.norm(rearrange(y, "b l h p -> b l (h p)"), z))
