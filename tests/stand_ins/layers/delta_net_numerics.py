# -*- coding: utf-8 -*-
"""DeltaNet with multi-scale values, sequence-local statistics and a fallback import, as published files have them."""
from __future__ import annotations
import logging
import math
from collections import OrderedDict
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import einsum, pack, rearrange, repeat, unpack

try:
    from fla.modules import FusedRMSNormGated, RMSNorm, ShortConvolution
    from fla.modules.l2norm import l2_norm as l2norm
except ImportError:  # pragma: no cover
    raise
try:
    from fla.modules.convolution import ShortConvolution
except ImportError:
    pass
from fla.modules.feature_map import HedgehogFeatureMap, ReLUFeatureMap

logger = logging.getLogger(__name__)
torch.backends.cuda.matmul.allow_tf32 = True
Tensor = torch.Tensor
SCALES: List[int] = [1, 4, 16]


def _causal_mean(x: Tensor, width: int) -> Tensor:
    total = F.pad(x.cumsum(1), (0, 0, 0, 0, width, 0))
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype).clamp(max=width)
    return (total[:, width:] - total[:, :-width]) / count[None, :, None, None]


class MultiScaleValues(nn.ModuleDict):
    """Causal means of several widths."""

    def __init__(self, num_heads: int, head_dim: int, scales=tuple(SCALES)):
        super().__init__(OrderedDict((f"s{s}", nn.Linear(head_dim, head_dim, bias=False)) for s in scales))
        self.scales = scales
        self.logits = nn.Parameter(torch.zeros(len(scales), num_heads))

    def forward(self, v: Tensor) -> Tensor:
        w = self.logits.softmax(0)
        return sum(w[i][:, None] * self[f"s{s}"](_causal_mean(v, s)) for i, s in enumerate(self.scales))


class DeltaNet(nn.Module):
    r"""DeltaNet.

    Args:
        hidden_size: model width
    """

    requires_unpadding: bool = False

    def __init__(
        self,
        mode: str = "chunk1",
        d_model: int | None = None,
        hidden_size: int = 1024,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        num_heads: int = 4,
        use_beta: bool = True,
        use_gate: bool = True,
        use_short_conv: bool = True,
        conv_size: int = 4,
        conv_bias: bool = False,
        allow_neg_eigval: bool = True,
        layer_idx: int | None = None,
        qk_activation: str = "elu",
        qk_norm: str = "sum",
        norm_eps: float = 1e-5,
        *,
        residual_init: float = -2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if d_model is not None:
            hidden_size = d_model
        self.num_heads, self.layer_idx = num_heads, layer_idx
        self.qk_activation, self.qk_norm, self.allow_neg_eigval = qk_activation, qk_norm, allow_neg_eigval
        key_dim, value_dim = int(hidden_size * expand_k), int(hidden_size * expand_v)
        self.q_proj = nn.Linear(hidden_size, key_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, key_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, value_dim, bias=False)
        self.b_proj = nn.Linear(hidden_size, num_heads, bias=False)
        self.q_conv1d, self.k_conv1d = (ShortConvolution(key_dim, conv_size, activation=None) for _ in range(2))
        self.v_conv1d = ShortConvolution(value_dim, conv_size, activation="silu")
        self.feature = ReLUFeatureMap()
        self.values = MultiScaleValues(num_heads, value_dim // num_heads)
        self.residual = nn.Parameter(torch.full((num_heads,), residual_init))
        self.register_buffer("phase", torch.from_numpy(np.linspace(0, math.pi, num_heads)).float(), persistent=False)
        self.g_proj = nn.Linear(hidden_size, value_dim, bias=False)
        self.o_norm = FusedRMSNormGated(value_dim // num_heads, eps=norm_eps)
        self.o_proj = nn.Linear(value_dim, hidden_size, bias=False)
        logger.debug("layer %s ready", layer_idx)

    def extra_repr(self) -> str:
        return f"{type(self).__name__}, heads={self.num_heads}"

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Optional[Tensor] = None,
        past_key_values: Optional[Union[Dict, Any]] = None,
        use_cache: bool = False,
        output_attentions: bool = False,
        **kwargs,
    ) -> Tuple[Tensor, Optional[Tensor], Optional[Any]]:
        (q, _), (k, _), (v, _) = (
            conv(proj(hidden_states))
            for conv, proj in (
                (self.q_conv1d, self.q_proj), (self.k_conv1d, self.k_proj), (self.v_conv1d, self.v_proj)
            )
        )
        q, k, v = (rearrange(x, "b l (h d) -> b l h d", h=self.num_heads) for x in (q, k, v))
        q, k = self.feature(q) + (F.elu(q) + 1.0), F.elu(k) + 1.0
        if self.qk_norm == "sum":
            q, k = q / q.sum(-1, keepdim=True), k / k.sum(-1, keepdim=True)
        q, k = l2norm(q), l2norm(k)
        beta = torch.sigmoid(self.b_proj(hidden_states) + torch.cos(self.phase))
        if self.allow_neg_eigval:
            beta = 2 * beta
        packed, sizes = pack([k, v * beta[..., None]], "b l h *")
        k, bv = unpack(packed, sizes, "b l h *")
        with torch.autocast(device_type=q.device.type, enabled=False):
            S = torch.zeros(q.shape[0], self.num_heads, q.shape[-1], v.shape[-1], device=q.device, dtype=q.dtype)
            o = []
            for t in range(q.shape[1]):
                old = einsum(k[:, t], S, "b h k, b h k v -> b h v")
                S = S + einsum(k[:, t], bv[:, t] - beta[:, t, :, None] * old, "b h k, b h v -> b h k v")
                o.append(einsum(q[:, t], S, "b h k, b h k v -> b h v"))
        o = torch.stack(o, dim=1)
        o = o + torch.sigmoid(self.residual)[:, None] * self.values(v)
        g = rearrange(self.g_proj(hidden_states), "b l (h d) -> b l h d", h=self.num_heads)
        return self.o_proj(rearrange(self.o_norm(o, g), "b l h d -> b l (h d)")), None, past_key_values
