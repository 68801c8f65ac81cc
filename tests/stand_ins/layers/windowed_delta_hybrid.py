"""A delta layer on a base class that passes its arguments on, with a sliding window and a wrapper module."""
from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, NamedTuple, Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, reduce
from fla.modules import FusedRMSNormGated, RMSNorm, RotaryEmbedding, ShortConvolution
from fla.modules.l2norm import l2norm

if TYPE_CHECKING:
    from fla.models.utils import Cache
    from transformers.processing_utils import Unpack


@dataclass
class PathConfig:
    window: int = 16
    temperature: float = 1.0


class Branches(NamedTuple):
    global_: torch.Tensor
    local: torch.Tensor


@functools.lru_cache(maxsize=8)
def window_mask(size: int, window: int) -> torch.Tensor:
    i, j = torch.arange(size)[:, None], torch.arange(size + window)[None, :] - window
    return (j <= i) & (j > i - window)


def sliding_window(q, k, v, window):
    """q, k, v [b, h, l, d]: each block sees itself and the block before it."""
    b, h, l, d = q.shape
    pad = -l % window
    q, k, v = (F.pad(x, (0, 0, 0, pad)) for x in (q, k, v))
    n = q.shape[2] // window
    q = rearrange(q, "b h (n c) d -> b h n c d", c=window)
    k, v = (F.pad(x, (0, 0, window, 0)).unfold(2, 2 * window, window).transpose(-1, -2) for x in (k, v))
    mask = window_mask(window, window).to(q.device)[None].expand(n, -1, -1).clone()
    mask[0, :, :window] = False
    attn = (q @ k.transpose(-1, -2) * d**-0.5).masked_fill(~mask, float("-inf")).softmax(-1)
    return rearrange(attn @ v, "b h n c d -> b h (n c) d")[:, :, :l]


class _DeltaBase(nn.Module):
    def __init__(self, mode="chunk", d_model=None, hidden_size=1024, num_heads=4, conv_size=4, use_gate=True,
                 layer_idx=None, norm_eps=1e-5, **kwargs):
        super().__init__()
        hidden_size = d_model or hidden_size
        self.hidden_size, self.num_heads, self.layer_idx = hidden_size, num_heads, layer_idx
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.conv = ShortConvolution(3 * hidden_size, conv_size, activation="silu")
        self.b_proj = nn.Linear(hidden_size, num_heads)
        self.g_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.o_norm = FusedRMSNormGated(hidden_size // num_heads, eps=norm_eps)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)

    @torch.compile
    def _delta(self, q, k, v, beta):
        S = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
        out = torch.empty_like(v)
        outs = []
        for q_t, k_t, v_t, b_t in zip(q.unbind(2), k.unbind(2), v.unbind(2), beta.unbind(2)):
            S = S + k_t[..., None] * (b_t[..., None] * (v_t - (k_t[..., None] * S).sum(-2)))[..., None, :]
            outs.append((q_t[..., None] * S).sum(-2))
        del out
        return torch.stack(outs, 2)


class DeltaNet(_DeltaBase):
    """Delta memory and a sliding window, mixed per head."""

    def __init__(self, *args, config: Optional[PathConfig] = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.config = config or PathConfig()
        self.rotary = RotaryEmbedding(self.hidden_size // self.num_heads)
        self.mix = nn.Linear(self.hidden_size, 2 * self.num_heads)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional["Cache"] = None,
        use_cache: bool = False,
        output_attentions: bool = False,
        **kwargs: "Unpack[Dict]",
    ):
        x, _ = self.conv(self.qkv(hidden_states))
        q, k, v = rearrange(x, "b l (n h d) -> n b l h d", n=3, h=self.num_heads)
        rq, rk = self.rotary(q, k)
        q, k, v, rq, rk = (t.transpose(1, 2) for t in (q, k, v, rq, rk))
        beta = self.b_proj(hidden_states).sigmoid().transpose(1, 2)
        paths = Branches(self._delta(l2norm(q), l2norm(k), v, beta), sliding_window(rq, rk, v, self.config.window))
        energy = torch.stack([reduce(p.square(), "b h l d -> b h l", "mean") for p in paths], -1)
        mix = rearrange(self.mix(hidden_states), "b l (h n) -> b h l n", n=2) - 0.1 * energy.detach()
        w = torch.softmax(mix / self.config.temperature, -1)
        o = w[..., :1] * paths.global_ + w[..., 1:] * paths.local
        g = rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads)
        o = self.o_norm(rearrange(o, "b h l d -> b l h d"), g)
        return self.o_proj(o.flatten(2)), None, past_key_values


WindowedDeltaNet = DeltaNet
