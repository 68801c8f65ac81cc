"""fla's layers of linear attention with a decay: GLA (arXiv 2312.06635) and retention (2307.08621)."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.layers.projected import ProjectedLayer, State, share
from stand_ins.fla.modules.activations import ACT2FN
from stand_ins.fla.modules.gated_norms import FusedRMSNormGated
from stand_ins.fla.modules.norms import RMSNorm
from stand_ins.fla.modules.rotary import RotaryEmbedding
from stand_ins.fla.ops.recurrences import gla, retention


class _SharedKeys(ProjectedLayer):
    """A layer whose query heads may share keys and values, with an output gate of any activation."""

    def __init__(  # noqa: PLR0913, PLR0917 (fla's own arguments)
        self,
        mode: str = "chunk",
        hidden_size: int = 1024,
        expand_k: float = 1.0,
        expand_v: float = 2.0,
        num_heads: int = 8,
        num_kv_heads: int | None = None,
        feature_map: str | None = None,
        use_short_conv: bool = False,
        conv_size: int = 4,
        conv_bias: bool = False,
        use_output_gate: bool = True,
        gate_fn: str = "swish",
        elementwise_affine: bool | None = True,
        norm_eps: float = 1e-5,
        fuse_norm: bool = True,
        layer_idx: int | None = None,
        **_: object,
    ) -> None:
        super().__init__()
        self.mode, self.expand_k, self.expand_v = mode, expand_k, expand_v
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads or num_heads
        self.num_kv_groups = share(num_heads, self.num_kv_heads)
        self.feature_map_fn = None if feature_map is None else ACT2FN[feature_map]
        self.project(hidden_size, int(hidden_size * expand_k), int(hidden_size * expand_v), self.num_kv_groups)
        self.key_dim_per_group, self.value_dim_per_group = self.k_proj.out_features, self.v_proj.out_features
        self.head_k_dim, self.head_v_dim = (share(width, num_heads) for width in (self.key_dim, self.value_dim))
        self.key_activation = self.value_activation = "silu" if use_short_conv else None
        self.convolve(use_short_conv, conv_size, conv_bias, layer_idx)
        self.use_output_gate = use_output_gate
        if use_output_gate:
            self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        self.fuse_norm_and_gate = gate_fn == "swish" and fuse_norm and use_output_gate
        if self.fuse_norm_and_gate:
            self.g_norm_swish_gate = FusedRMSNormGated(self.head_v_dim, bool(elementwise_affine), norm_eps)
        else:
            self.g_norm = RMSNorm(self.head_v_dim, bool(elementwise_affine), eps=norm_eps)
            self.gate_fn = ACT2FN[gate_fn]

    def _apply_feature_map(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of queries and keys, or both unchanged if there is no feature map."""
        return (q, k) if self.feature_map_fn is None else (self.feature_map_fn(q), self.feature_map_fn(k))

    def _normalise_output(self, x: Tensor, o: Tensor) -> Tensor:
        """Normalise each head, and gate it if the layer has a gate."""
        if self.fuse_norm_and_gate:
            return self.g_norm_swish_gate(o, self.g_proj(x).view_as(o))
        o = self.g_norm(o)
        return o * self.gate_fn(self.g_proj(x).view_as(o)) if self.use_output_gate else o


class GatedLinearAttention(_SharedKeys):
    """Gated linear attention: a decay for every key channel, near one at first."""

    def __init__(
        self,
        mode: str = "chunk",
        hidden_size: int = 1024,
        expand_k: float = 0.5,
        expand_v: float = 1.0,
        num_heads: int = 4,
        gate_logit_normalizer: int = 16,
        gate_low_rank_dim: int = 16,
        clamp_min: float | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(mode, hidden_size, expand_k, expand_v, num_heads, **shared)
        self.gate_logit_normalizer, self.clamp_min = gate_logit_normalizer, clamp_min
        self.gk_proj = nn.Sequential(
            nn.Linear(hidden_size, gate_low_rank_dim, bias=False),
            nn.Linear(gate_low_rank_dim, self.key_dim_per_group),
        )

    def _apply_operator(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Decay every channel, then add."""
        decay = F.logsigmoid(self.gk_proj(x)).unflatten(-1, (-1, self.head_k_dim)) / self.gate_logit_normalizer
        if self.clamp_min is not None:
            decay = decay.clamp_min(self.clamp_min)
        return gla(*self._apply_feature_map(q, k), v, decay, **more)


class MultiScaleRetention(_SharedKeys):
    """Retention: linear attention with rotary positions and a fixed decay for every head."""

    def __init__(self, mode: str = "chunk", hidden_size: int = 1024, **shared: Any) -> None:
        super().__init__(mode, hidden_size, **shared)
        self.rotary = RotaryEmbedding(self.head_k_dim)

    def _apply_operator(
        self,
        x: Tensor,  # noqa: ARG002 (other layers use the tokens)
        q: Tensor,
        k: Tensor,
        v: Tensor,
        **more: Any,
    ) -> tuple[Tensor, State]:
        """Rotate queries and keys by their positions, decay, then add."""
        q, k = self._apply_feature_map(q, k)
        q, k = self.rotary(q, k, seqlen_offset=more["seen_tokens"], cu_seqlens=more["cu_seqlens"])
        return retention(q, k, v, **more)
