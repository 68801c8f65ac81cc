"""fla's delta rule layers: DeltaNet (arXiv 2406.06484), Gated DeltaNet (2412.06464), Kimi's (2510.26692)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stand_ins.fla.layers.projected import ProjectedLayer, State, share
from stand_ins.fla.modules.activations import elu_p1, sum_norm
from stand_ins.fla.modules.gated_norms import FusedRMSNormGated
from stand_ins.fla.modules.l2norm import l2norm
from stand_ins.fla.modules.norms import RMSNorm
from stand_ins.fla.ops.recurrences import delta_rule, gated_delta_rule, kda, kda_gate

_ACTIVATIONS = {"silu": nn.Identity(), "relu": F.relu, "elu": elu_p1, "identity": nn.Identity()}
"""Activations of DeltaNet's queries and keys after their convolution, which applies silu itself."""
_NORMS = {"l2": l2norm, "sum": sum_norm}
"""DeltaNet's normalisations of queries and keys."""


class DeltaNet(ProjectedLayer):
    """DeltaNet: each write corrects the memory, S + beta k (v - Sᵀ k)ᵀ."""

    def __init__(  # noqa: PLR0913, PLR0917 (fla's own arguments)
        self,
        mode: str = "chunk",
        d_model: int | None = None,
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
        layer_idx: int | None = None,
        qk_activation: str = "silu",
        qk_norm: str = "l2",
        norm_eps: float = 1e-5,
        **_: object,
    ) -> None:
        super().__init__()
        if qk_activation not in _ACTIVATIONS or qk_norm not in _NORMS:
            raise ValueError(f"DeltaNet has no qk_activation {qk_activation!r} with qk_norm {qk_norm!r}")
        width = hidden_size if d_model is None else d_model
        self.mode, self.num_heads, self.expand_k, self.expand_v = mode, num_heads, expand_k, expand_v
        self.use_beta, self.use_gate, self.allow_neg_eigval = use_beta, use_gate, allow_neg_eigval
        self.qk_activation, self.qk_norm = qk_activation, qk_norm
        self.key_activation = "silu" if qk_activation == "silu" else None
        self.project(width, int(width * expand_k), int(width * expand_v))
        self.head_k_dim, self.head_v_dim = (share(d, num_heads) for d in (self.key_dim, self.value_dim))
        if use_beta:
            self.b_proj = nn.Linear(width, num_heads, bias=False)
        if use_gate:
            self.g_proj = nn.Linear(width, self.value_dim, bias=False)
        self.o_norm = (FusedRMSNormGated if use_gate else RMSNorm)(self.head_v_dim, eps=norm_eps)
        self.convolve(use_short_conv, conv_size, conv_bias, layer_idx)

    def _apply_operator(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Apply the delta rule to normalised keys."""
        q, k = (_NORMS[self.qk_norm](_ACTIVATIONS[self.qk_activation](y)) for y in (q, k))
        beta = self.b_proj(x).sigmoid() if self.use_beta else torch.ones_like(q[..., 0])
        return delta_rule(q, k, v, beta * (2 if self.allow_neg_eigval else 1), **more)

    def _normalise_output(self, x: Tensor, o: Tensor) -> Tensor:
        """Normalise each head, and gate it if the layer has a gate."""
        return self.o_norm(o, self.g_proj(x).view_as(o)) if self.use_gate else self.o_norm(o)


class _WideValues(ProjectedLayer):
    """A delta rule layer whose values may be wider than its keys.

    A key head has `head_dim` channels, a value head `expand_v` times as many. Several value heads may share a key head.
    Raises ValueError unless a value head has a whole number of channels and each key head serves equally many of them.
    """

    b_proj: nn.Linear

    def __init__(  # noqa: PLR0913, PLR0917 (fla's own arguments)
        self,
        hidden_size: int,
        expand_v: float,
        head_dim: int,
        num_heads: int,
        num_v_heads: int | None = None,
        mode: str = "chunk",
        use_short_conv: bool = True,
        allow_neg_eigval: bool = False,
        conv_size: int = 4,
        conv_bias: bool = False,
        layer_idx: int | None = None,
        **_: object,
    ) -> None:
        super().__init__()
        self.mode, self.allow_neg_eigval, self.expand_v = mode, allow_neg_eigval, expand_v
        self.head_dim, self.num_heads, self.num_v_heads = head_dim, num_heads, num_v_heads or num_heads
        self.head_k_dim, self.head_v_dim = head_dim, int(head_dim * expand_v)
        if not math.isclose(head_dim * expand_v, self.head_v_dim, rel_tol=1e-5):
            raise ValueError(f"expand_v {expand_v} makes no whole number of {head_dim} channels")
        self.values_per_key = share(self.num_v_heads, num_heads)
        self.project(hidden_size, num_heads * head_dim, self.num_v_heads * self.head_v_dim)
        self.convolve(use_short_conv, conv_size, conv_bias, layer_idx)

    def step_sizes(self, x: Tensor) -> Tensor:
        """Return beta for x [B, T, D], one a head, in [0, 1], or in [0, 2] if eigenvalues may be negative."""
        return (2 if self.allow_neg_eigval else 1) * self.b_proj(x).sigmoid()

    def _repeat_for_values(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors [B, T, H, ...] of the key heads, repeated for each value head."""
        return [y.repeat_interleave(self.values_per_key, 2) for y in tensors]


class GatedDeltaNet(_WideValues):
    """Gated DeltaNet: the delta rule with one decay a head, computed from the token as in Mamba-2."""

    def __init__(
        self,
        hidden_size: int = 2048,
        expand_v: float = 2,
        head_dim: int | None = None,
        num_heads: int = 6,
        num_v_heads: int | None = None,
        mode: str = "chunk",
        use_gate: bool = True,
        norm_eps: float = 1e-5,
        **shared: Any,
    ) -> None:
        width = head_dim or _head_dim(256, hidden_size, num_heads)
        super().__init__(hidden_size, expand_v, width, num_heads, num_v_heads, mode, **shared)
        self.use_gate = use_gate
        self.a_proj, self.b_proj = (nn.Linear(hidden_size, self.num_v_heads, bias=False) for _ in range(2))
        self.A_log = nn.Parameter(torch.empty(self.num_v_heads).uniform_(0, 16).log())
        # The bias is the inverse softplus of a token's step; initial steps are log-uniform from 1/1000 to 1/10.
        step = torch.empty(self.num_v_heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        self.dt_bias = nn.Parameter(step + (-torch.expm1(-step)).log())
        if use_gate:
            self.g_proj = nn.Linear(hidden_size, self.value_dim, bias=False)
        self.o_norm = (FusedRMSNormGated if use_gate else RMSNorm)(self.head_v_dim, eps=norm_eps)

    def _apply_operator(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Decay the memory, then apply the delta rule."""
        q, k = self._repeat_for_values(q, k)
        decay = -self.A_log.float().exp() * F.softplus(self.a_proj(x).float() + self.dt_bias)
        return gated_delta_rule(q, k, v, decay, self.step_sizes(x), use_qk_l2norm_in_kernel=True, **more)

    def _normalise_output(self, x: Tensor, o: Tensor) -> Tensor:
        """Normalise each head, and gate it if the layer has a gate."""
        return self.o_norm(o, self.g_proj(x).view_as(o)) if self.use_gate else self.o_norm(o)


class KimiDeltaAttention(_WideValues):
    """Kimi Delta Attention: the delta rule with a decay for every key channel, from low-rank maps."""

    def __init__(
        self,
        hidden_size: int = 2048,
        expand_v: float = 1,
        head_dim: int | None = None,
        num_heads: int = 16,
        norm_eps: float = 1e-5,
        **shared: Any,
    ) -> None:
        width = head_dim or _head_dim(128, hidden_size, num_heads)
        super().__init__(hidden_size, expand_v, width, num_heads, **shared)
        rank = self.head_v_dim
        self.f_proj = nn.Sequential(nn.Linear(hidden_size, rank, bias=False), nn.Linear(rank, self.key_dim, bias=False))
        self.b_proj = nn.Linear(hidden_size, num_heads, bias=False)
        self.A_log = nn.Parameter(torch.empty(num_heads).uniform_(1, 16).log())
        self.dt_bias = nn.Parameter(torch.zeros(self.key_dim))
        self.g_proj = nn.Sequential(nn.Linear(hidden_size, rank, bias=False), nn.Linear(rank, self.value_dim))
        self.o_norm = FusedRMSNormGated(self.head_v_dim, eps=norm_eps, activation="sigmoid")

    def _apply_operator(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, **more: Any) -> tuple[Tensor, State]:
        """Decay every channel, then apply the delta rule."""
        logits = self.f_proj(x).unflatten(-1, (-1, self.head_k_dim))
        decay = kda_gate(logits.float(), self.A_log, self.dt_bias)
        q, k, decay, beta = self._repeat_for_values(q, k, decay, self.step_sizes(x))
        return kda(q, k, v, decay, beta, use_qk_l2norm_in_kernel=True, **more)

    def _normalise_output(self, x: Tensor, o: Tensor) -> Tensor:
        """Normalise each head, and gate it."""
        return self.o_norm(o, self.g_proj(x).view_as(o))


def _head_dim(default: int, hidden_size: int, num_heads: int) -> int:
    """Return the channels of a head: fla's default, or less if the model is narrower than its heads would be."""
    return max(1, min(default, hidden_size // num_heads))
