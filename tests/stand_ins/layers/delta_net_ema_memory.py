"""DeltaNet with a per-head EMA memory in addition to the delta rule, blended by a step-annealed gate."""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Optional, Tuple

import torch
from torch import nn
import torch.nn.functional as F
from einops import rearrange, repeat
from fla.layers.utils import get_unpad_data, index_first_axis, pad_input
from fla.modules import FusedRMSNormGated, RMSNorm, ShortConvolution
from fla.modules.l2norm import l2norm

if TYPE_CHECKING:
    from transformers.processing_utils import Unpack
    from fla.models.utils import Cache

_DEFAULTS = {"ema_init": 0.9, "anneal_steps": 1000}


@torch.compile(mode="max-autotune", fullgraph=False)
def delta_rule_recurrent(q, k, v, beta):
    b, h, l, d_k = q.shape
    S = torch.zeros(b, h, d_k, v.shape[-1], device=q.device, dtype=v.dtype)
    outs = []
    for t in range(l):
        k_t, v_t, b_t = k[:, :, t], v[:, :, t], beta[:, :, t, None]
        u = b_t * (v_t - torch.einsum("bhk,bhkv->bhv", k_t, S))
        S = S + k_t.unsqueeze(-1) * u.unsqueeze(-2)
        outs.append(torch.einsum("bhk,bhkv->bhv", q[:, :, t], S))
    return torch.stack(outs, dim=2), S


@torch.compiler.disable
def ema_scan(x: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """x [b, h, l, d], decay [b, h, l]"""
    state = torch.zeros_like(x[:, :, 0])
    ys = []
    for t in range(x.shape[2]):
        g = decay[:, :, t, None]
        state = g * state + (1 - g) * x[:, :, t]
        ys.append(state)
    return torch.stack(ys, 2)


class DeltaNet(nn.Module):
    def __init__(
        self,
        mode: str = "ema",
        d_model: Optional[int] = None,
        hidden_size: int = 1024,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        num_heads: int = 4,
        use_beta: bool = True,
        use_gate: bool = True,
        use_short_conv: bool = True,
        conv_size: int = 4,
        conv_bias: bool = False,
        layer_idx: Optional[int] = None,
        norm_eps: float = 1e-5,
        **kwargs,
    ):
        super().__init__()
        if kwargs:
            warnings.warn(f"{self.__class__.__name__} ignores {sorted(kwargs)}")
        hidden_size = hidden_size if d_model is None else d_model
        self.num_heads, self.layer_idx, self.use_gate = num_heads, layer_idx, use_gate
        self.anneal_steps = getattr(self, "anneal_steps", _DEFAULTS["anneal_steps"])
        self.key_dim, self.value_dim = int(expand_k * hidden_size), int(expand_v * hidden_size)
        self.head_v_dim = self.value_dim // num_heads
        for name, width in (("q", self.key_dim), ("k", self.key_dim), ("v", self.value_dim)):
            setattr(self, f"{name}_proj", nn.Linear(hidden_size, width, bias=False))
            setattr(self, f"{name}_conv1d", ShortConvolution(width, conv_size, activation="silu", bias=conv_bias))
        self.b_proj = nn.Linear(hidden_size, num_heads, bias=False)
        self.decay_proj = nn.Linear(hidden_size, num_heads)
        self.mix_proj = nn.Linear(hidden_size, num_heads)
        self.gamma = nn.Parameter(torch.full((num_heads,), 2.0))
        self._calls = 0
        self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False) if use_gate else None
        self.o_norm = FusedRMSNormGated(self.head_v_dim, eps=norm_eps) if use_gate else RMSNorm(self.head_v_dim, eps=norm_eps)
        self.o_proj = nn.Linear(self.value_dim, hidden_size, bias=False)
        self.apply(self._initialize_weights)

    def _initialize_weights(self, module: nn.Module):
        if getattr(module, "_is_hf_initialized", False):
            return
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, gain=2**-2.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        module._is_hf_initialized = True

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional[Cache] = None,
        use_cache: Optional[bool] = False,
        output_attentions: Optional[bool] = False,
        **kwargs: Unpack[dict],
    ) -> Tuple[torch.Tensor, None, Optional[Cache]]:
        bsz, seq_len, _ = hidden_states.shape
        if attention_mask is not None:
            hidden_states = hidden_states * attention_mask[:, -seq_len:, None].to(hidden_states)
        q, _ = self.q_conv1d(self.q_proj(hidden_states))
        k, _ = self.k_conv1d(self.k_proj(hidden_states))
        v, _ = self.v_conv1d(self.v_proj(hidden_states))
        q, k, v = (rearrange(x, "b l (h d) -> b h l d", h=self.num_heads) for x in (q, k, v))
        beta = rearrange(self.b_proj(hidden_states).sigmoid(), "b l h -> b h l")
        o, _ = delta_rule_recurrent(l2norm(q), l2norm(k), v, beta)
        decay = torch.sigmoid(rearrange(self.decay_proj(hidden_states), "b l h -> b h l") + self.gamma[None, :, None])
        ema = ema_scan(v, decay)
        if self.training:
            self._calls += 1
        warm = min(1.0, self._calls / self.anneal_steps)
        mix = (0.5 + 0.5 * warm) * torch.sigmoid(repeat(self.mix_proj(hidden_states), "b l h -> b h l 1"))
        o = rearrange(mix * o + (1 - mix) * ema, "b h l d -> b l h d")
        if self.use_gate:
            o = self.o_norm(o, rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads))
        else:
            o = self.o_norm(o)
        return self.o_proj(o.flatten(-2)), None, past_key_values


if __name__ == "__main__":
    print(DeltaNet(hidden_size=64, num_heads=4)(torch.randn(2, 16, 64))[0].shape)
