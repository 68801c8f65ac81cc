"""An mLSTM between an up and a down projection: maps in blocks of four, an inner width rounded up to 64, a skip."""

import math

import torch
from einops import rearrange
from fla.modules import GroupedLinear, GroupNorm, ShortConvolution
from fla.ops.hla import recurrent_hla
from fla.ops.mlstm import chunk_mlstm, fused_recurrent_mlstm
from torch import nn
from torch.nn import functional as F


class ExponentialGates(nn.Module):
    def __init__(self, hidden_size: int = 1024, num_heads: int = 16, proj_factor: float = 1.0, block: int = 4, layer_idx=None):
        super().__init__()
        inner = 64 * math.ceil(proj_factor * hidden_size / 64)
        self.num_heads = num_heads
        self.up = nn.Linear(hidden_size, 2 * inner, bias=False)
        self.qkv = nn.ModuleList([GroupedLinear(inner, inner, groups=inner // block, bias=False) for _ in range(3)])
        self.conv = ShortConvolution(inner, 4, bias=True, activation="silu")
        self.gates = nn.Linear(3 * inner, 2 * num_heads)
        self.norm = GroupNorm(num_groups=num_heads, hidden_size=inner, bias=False, eps=1e-5, is_rms_norm=False)
        self.skip = nn.Parameter(torch.ones(inner))
        self.down = nn.Linear(inner, hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, use_cache=False, **kwargs):
        x, z = self.up(hidden_states).chunk(2, -1)
        near, _ = self.conv(x)
        q, k, v = (proj(source) for proj, source in zip(self.qkv, (near, near, x)))
        i, f = self.gates(torch.cat([q, k, v], -1)).chunk(2, -1)
        q, k, v = (rearrange(each, "b t (h d) -> b t h d", h=self.num_heads) for each in (q, k, v))
        step = chunk_mlstm if self.training else fused_recurrent_mlstm
        o, _ = step(q=q, k=k, v=v, i=i, f=f, initial_state=None, output_final_state=use_cache)
        second, _ = recurrent_hla(q=q, k=k, v=v)
        o = self.norm(rearrange(o + second, "b t h d -> b t (h d)"))
        return self.down((o + self.skip * near) * F.silu(z)), None, past_key_values
