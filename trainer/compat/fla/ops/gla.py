"""fla.ops.gla, by its own module name."""

from trainer.compat.fla.ops import chunk_gla, fused_chunk_gla, fused_recurrent_gla

__all__ = ["chunk_gla", "fused_chunk_gla", "fused_recurrent_gla"]
