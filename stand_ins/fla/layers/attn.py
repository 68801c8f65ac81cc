"""fla's softmax attention, which hybrids combine with recurrent memories: over the whole past or a window of it."""

from typing import Any

from torch import Tensor, nn

from stand_ins.fla.layers.projected import share
from stand_ins.fla.layers.utils import pad_input, unpad_input, update_layer_cache
from stand_ins.fla.modules.norms import RMSNorm
from stand_ins.fla.modules.rotary import RotaryEmbedding
from stand_ins.flash_attn import flash_attn_func, flash_attn_varlen_func
from stand_ins.packed_sequences import prepare_lens_from_mask


class Attention(nn.Module):
    """Attention with rotary positions; heads may share keys, and `window_size` limits the visible past."""

    def __init__(
        self,
        hidden_size: int = 2048,
        num_heads: int = 32,
        num_kv_heads: int | None = None,
        qkv_bias: bool = False,
        qk_norm: bool = False,
        window_size: int | None = None,
        rope_theta: float | None = 10000.0,
        max_position_embeddings: int | None = None,
        layer_idx: int | None = None,
        **_: object,
    ) -> None:
        super().__init__()
        self.hidden_size, self.num_heads, self.num_kv_heads = hidden_size, num_heads, num_kv_heads or num_heads
        self.num_kv_groups = share(num_heads, self.num_kv_heads)
        self.head_dim = share(hidden_size, num_heads)
        self.kv_dim = self.num_kv_heads * self.head_dim
        self.qkv_bias, self.qk_norm, self.window_size, self.layer_idx = qkv_bias, qk_norm, window_size, layer_idx
        self.rope_theta, self.max_position_embeddings = rope_theta or 10000.0, max_position_embeddings
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=qkv_bias)
        self.k_proj, self.v_proj = (nn.Linear(hidden_size, self.kv_dim, bias=qkv_bias) for _ in range(2))
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        if qk_norm:
            self.q_norm, self.k_norm = RMSNorm(self.head_dim), RMSNorm(self.head_dim)
        self.rotary = RotaryEmbedding(self.head_dim, base=self.rope_theta)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        output_attentions: bool = False,  # noqa: ARG002 (fla's own arguments)
        use_cache: bool = False,  # noqa: ARG002
        **more: Any,
    ) -> tuple[Tensor, None, Any]:
        """Map hidden_states [B, T, D]; attention_mask [B, T] is 0 at padding. Returns (y, None, past_key_values).

        With both a mask and a cache, it takes one position at a time.
        """
        steps, offsets = hidden_states.shape[1], more.get("cu_seqlens")
        q, k, v = (
            project(hidden_states).unflatten(-1, (-1, self.head_dim))
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        position = 0 if past_key_values is None else past_key_values.get_seq_length(self.layer_idx)
        if past_key_values is not None and attention_mask is not None:
            position = position + prepare_lens_from_mask(attention_mask) - attention_mask.shape[1]
        q, k = self.rotary(q, k, seqlen_offset=position, cu_seqlens=offsets)
        window = {"window_size": self.window_size}
        cached = update_layer_cache(self, past_key_values, attn_state=(k, v), offset=steps, cache_kwargs=window)
        k, v = (k, v) if cached is None else cached["attn_state"]
        o = self._attention(q, k, v, attention_mask, offsets)
        return self.o_proj(o.flatten(-2)), None, past_key_values

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, offsets: Tensor | None) -> Tensor:
        """Return attention [B, T, H, D]; with offsets, each packed sequence attends to itself only."""
        options = {"causal": True, "window_size": (-1 if self.window_size is None else self.window_size - 1, 0)}
        if mask is not None:
            packed, (k, v), indices, bounds, longest = unpad_input(q, (k, v), mask[:, -k.shape[1] :], q.shape[1])
            return pad_input(flash_attn_varlen_func(packed, k, v, *bounds, *longest, **options), indices, *q.shape[:2])
        if offsets is None:
            return flash_attn_func(q, k, v, **options)
        length = q.shape[1]
        return flash_attn_varlen_func(q[0], k[0], v[0], offsets, offsets, length, length, **options)[None]
