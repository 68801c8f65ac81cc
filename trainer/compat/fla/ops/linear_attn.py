"""fla.ops.linear_attn, by its own module name."""

from trainer.compat.fla.ops import chunk_linear_attn, fused_chunk_linear_attn, fused_recurrent_linear_attn

__all__ = ["chunk_linear_attn", "fused_chunk_linear_attn", "fused_recurrent_linear_attn"]
