# -*- coding: utf-8 -*-
"""
DeltaNet – Dual-Scale FIR Memory with Token-Adaptive Path Fusion
================================================================
Identifier: delta_net_fir_fusion

Key ideas
---------
1. *Two causal FIR value paths* (short, long) preserve local detail next to the global delta-rule memory.
2. *Statistics-aware fusion gate*: a small MLP sees the hidden state and per-head statistics of every path.
3. *ε-floor annealing*: no path dies during the first training steps.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Dict, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from fla.layers.utils import get_unpad_data, index_first_axis, pad_input
from fla.modules import FusedRMSNormGated, RMSNorm, ShortConvolution
from fla.modules.l2norm import l2norm

__all__ = ["DeltaNet"]

# -----------------------------------------------------------------------------
# Helpers
# -----------------------------------------------------------------------------

def elu_p1(x: torch.Tensor) -> torch.Tensor:
    return (F.elu(x, 1.0, False) + 1.0).to(x)


def sum_norm(x: torch.Tensor) -> torch.Tensor:
    return (x / x.sum(-1, keepdim=True)).to(x)


class _DepthwiseFIRConv1d(nn.Module):
    """Per-head causal FIR filter, identity at initialisation."""

    def __init__(self, num_heads: int, head_dim: int, kernel_size: int = 31, noise_std: float = 1e-3):
        super().__init__()
        self.kernel_size = int(kernel_size)
        filters = torch.zeros(num_heads, head_dim, self.kernel_size)
        with torch.no_grad():
            filters[..., -1] = 1.0
            filters.add_(noise_std * torch.randn_like(filters))
        self.filters = nn.Parameter(filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (b, l, h, d)
        b, l, h, d = x.shape
        x_f = rearrange(x, "b l h d -> b (h d) l")
        weight = rearrange(self.filters, "h d k -> (h d) 1 k")
        x_pad = F.pad(x_f, (self.kernel_size - 1, 0))
        y = F.conv1d(x_pad, weight=weight, groups=h * d)
        return rearrange(y, "b (h d) l -> b l h d", h=h)


class _FusionGate(nn.Module):
    """Token- and head-wise softmax over the paths."""

    def __init__(self, hidden_size: int, num_heads: int, n_paths: int, hidden_mult: float = 0.5, floor: float = 0.02):
        super().__init__()
        self.num_heads, self.n_paths = num_heads, n_paths
        inner = max(int(hidden_size * hidden_mult), 8)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size + n_paths * num_heads * 2, inner), nn.GELU(), nn.Linear(inner, num_heads * n_paths)
        )
        self.log_temp = nn.Parameter(torch.zeros(num_heads))
        self.register_buffer("_step", torch.zeros((), dtype=torch.long), persistent=False)
        self.floor_start, self.floor_steps = floor, 2000
        with torch.no_grad():
            self.mlp[-1].bias.zero_()
            self.mlp[-1].bias.view(num_heads, n_paths)[:, -1] = 1.0

    @staticmethod
    def _stats(path: torch.Tensor) -> torch.Tensor:
        return torch.cat([path.mean(dim=-1), path.var(dim=-1, unbiased=False)], dim=-1)

    def forward(self, hidden: torch.Tensor, *paths: torch.Tensor) -> torch.Tensor:
        stats = torch.cat([self._stats(p) for p in paths], dim=-1)
        logits = rearrange(self.mlp(torch.cat([hidden, stats], dim=-1)), "b l (h p) -> b l h p", h=self.num_heads)
        temp = F.softplus(self.log_temp)[None, None, :, None] + 0.3
        p = torch.softmax(logits / temp, dim=-1)
        floor = self.floor_start * max(0.0, 1.0 - float(self._step) / self.floor_steps)
        if self.training:
            self._step += 1
        if floor > 0:
            p = p * (1.0 - floor * self.n_paths) + floor
        return p


@torch.compile  # type: ignore[misc]
def delta_rule_chunkwise(q, k, v, beta, *, chunk_size: int = 32):
    b, h, L, d_k = q.shape
    pad_len = (chunk_size - L % chunk_size) % chunk_size
    if pad_len:
        pad_cfg = (0, 0, 0, pad_len)
        q, k, v = (F.pad(t, pad_cfg) for t in (q, k, v))
        beta = F.pad(beta, (0, pad_len))
    L_pad = L + pad_len
    q = l2norm(q)
    k = l2norm(k)
    v = v * beta[..., None]
    k_beta = k * beta[..., None]
    q, k, v, k_beta = map(lambda t: rearrange(t, "b h (n c) d -> b h n c d", c=chunk_size), (q, k, v, k_beta))
    tri = torch.triu(torch.ones(chunk_size, chunk_size, dtype=torch.bool, device=q.device), 0)
    tri_strict = torch.triu(tri, 1)
    inv = -(k_beta @ k.transpose(-1, -2)).masked_fill(tri, 0)
    for i in range(1, chunk_size):
        inv[..., i, :i] += (inv[..., i, :, None].clone() * inv[..., :, :i].clone()).sum(-2)
    inv = inv + torch.eye(chunk_size, dtype=inv.dtype, device=q.device)
    inv = inv.to(torch.bfloat16)
    u = inv @ v
    w = inv @ k_beta
    S = k.new_zeros(b, h, d_k, v.shape[-1])
    out = torch.zeros_like(v)
    for idx in range(L_pad // chunk_size):
        q_i, k_i = q[:, :, idx], k[:, :, idx]
        attn_local = (q_i @ k_i.transpose(-1, -2)).masked_fill_(tri_strict, 0)
        u_i = u[:, :, idx] - w[:, :, idx] @ S
        out[:, :, idx] = q_i @ S + attn_local @ u_i
        S = S + k_i.transpose(-1, -2) @ u_i
    out = rearrange(out, "b h n c d -> b h (n c) d")
    return (out[:, :, :L] if pad_len else out), S


if TYPE_CHECKING:  # pragma: no cover
    from fla.models.utils import Cache


class DeltaNet(nn.Module):
    """DeltaNet with FIR value paths and a statistics-aware fusion gate."""

    def __init__(
        self,
        mode: str = "fir_fusion",
        d_model: Optional[int] = None,
        hidden_size: int = 1024,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        num_heads: int = 4,
        use_beta: bool = True,
        use_gate: bool = False,
        use_short_conv: bool = True,
        conv_size: int = 4,
        conv_bias: bool = False,
        allow_neg_eigval: bool = False,
        layer_idx: Optional[int] = None,
        qk_activation: str = "silu",
        qk_norm: str = "l2",
        norm_eps: float = 1e-5,
        fir_short_kernel: int = 5,
        fir_long_kernel: int = 31,
        **kwargs: Dict,
    ) -> None:
        super().__init__()
        if d_model is not None:
            hidden_size = d_model
        self.mode, self.layer_idx = mode, layer_idx
        self.hidden_size, self.num_heads = hidden_size, num_heads
        self.use_beta, self.use_gate, self.use_short_conv = use_beta, use_gate, use_short_conv
        self.allow_neg_eigval, self.qk_activation, self.qk_norm = allow_neg_eigval, qk_activation, qk_norm
        self.key_dim, self.value_dim = int(hidden_size * expand_k), int(hidden_size * expand_v)
        self.head_k_dim, self.head_v_dim = self.key_dim // num_heads, self.value_dim // num_heads
        self.q_proj = nn.Linear(hidden_size, self.key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, self.key_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        if use_beta:
            self.b_proj = nn.Linear(hidden_size, num_heads, bias=False)
        if use_short_conv:
            act = "silu" if qk_activation == "silu" else None
            self.q_conv1d = ShortConvolution(self.key_dim, conv_size, activation=act, bias=conv_bias)
            self.k_conv1d = ShortConvolution(self.key_dim, conv_size, activation=act, bias=conv_bias)
            self.v_conv1d = ShortConvolution(self.value_dim, conv_size, activation="silu", bias=conv_bias)
        else:
            raise UserWarning("ShortConvolution is mandatory for DeltaNet stability.")
        self.fir_short = _DepthwiseFIRConv1d(num_heads, self.head_v_dim, fir_short_kernel)
        self.fir_long = _DepthwiseFIRConv1d(num_heads, self.head_v_dim, fir_long_kernel)
        self.fusion_gate = _FusionGate(hidden_size, num_heads, n_paths=4)
        if use_gate:
            self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
            self.o_norm = FusedRMSNormGated(self.head_v_dim, eps=norm_eps)
        else:
            self.o_norm = RMSNorm(self.head_v_dim, eps=norm_eps)
        self.o_proj = nn.Linear(self.value_dim, hidden_size, bias=False)

    # -----------------------------------------------------------------
    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_values: Optional["Cache"] = None,
        use_cache: bool = False,
        output_attentions: bool = False,
        **kwargs,
    ) -> Tuple[torch.Tensor, None, Optional["Cache"]]:
        if attention_mask is not None:
            assert attention_mask.ndim == 2, "attention_mask must be [batch, seq_len]"
        batch, q_len, _ = hidden_states.shape
        last_state = None
        if past_key_values is not None and self.layer_idx is not None and len(past_key_values) > self.layer_idx:
            last_state = past_key_values[self.layer_idx]
        cu_seqlens = kwargs.get("cu_seqlens", None)
        indices = None
        if attention_mask is not None:
            indices, cu_seqlens, _ = get_unpad_data(attention_mask[:, -q_len:])
            hidden_states = index_first_axis(rearrange(hidden_states, "b s d -> (b s) d"), indices).unsqueeze(0)
        conv_q = conv_k = conv_v = None
        if last_state is not None and last_state.get("conv_state") is not None:
            conv_q, conv_k, conv_v = last_state["conv_state"]
        q, conv_q = self.q_conv1d(self.q_proj(hidden_states), cache=conv_q, output_final_state=use_cache, cu_seqlens=cu_seqlens)
        k, conv_k = self.k_conv1d(self.k_proj(hidden_states), cache=conv_k, output_final_state=use_cache, cu_seqlens=cu_seqlens)
        v, conv_v = self.v_conv1d(self.v_proj(hidden_states), cache=conv_v, output_final_state=use_cache, cu_seqlens=cu_seqlens)
        q = rearrange(q, "b l (h d) -> b l h d", h=self.num_heads)
        k = rearrange(k, "b l (h d) -> b l h d", h=self.num_heads)
        v_direct = rearrange(v, "b l (h d) -> b l h d", h=self.num_heads)
        if self.qk_activation == "relu":
            q, k = q.relu(), k.relu()
        elif self.qk_activation == "elu":
            q, k = elu_p1(q), elu_p1(k)
        if self.qk_norm == "sum":
            q, k = sum_norm(q), sum_norm(k)
        beta = self.b_proj(hidden_states).sigmoid() if self.use_beta else q.new_ones(q.shape[:-1])
        if self.allow_neg_eigval:
            beta = beta * 2.0
        delta_out, recurrent_state = delta_rule_chunkwise(
            rearrange(q, "b l h d -> b h l d"),
            rearrange(k, "b l h d -> b h l d"),
            rearrange(v_direct, "b l h d -> b h l d"),
            rearrange(beta, "b l h -> b h l"),
        )
        delta_out = rearrange(delta_out, "b h l d -> b l h d")
        local_short, local_long = self.fir_short(v_direct), self.fir_long(v_direct)
        weights = self.fusion_gate(hidden_states, local_short, local_long, delta_out, v_direct)
        o = (
            weights[..., 0:1] * local_short
            + weights[..., 1:2] * local_long
            + weights[..., 2:3] * delta_out
            + weights[..., 3:4] * v_direct
        )
        if past_key_values is not None and use_cache:
            past_key_values.update(
                recurrent_state=recurrent_state, conv_state=(conv_q, conv_k, conv_v), layer_idx=self.layer_idx, offset=q_len
            )
        if self.use_gate:
            o = self.o_norm(o, rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads))
        else:
            o = self.o_norm(o)
        o = self.o_proj(rearrange(o, "b l h d -> b l (h d)"))
        if attention_mask is not None:
            o = pad_input(o.squeeze(0), indices, batch, q_len)
        return o, None, past_key_values
