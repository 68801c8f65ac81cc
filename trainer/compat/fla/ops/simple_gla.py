"""fla.ops.simple_gla, by its own module name."""

from trainer.compat.fla.ops import chunk_simple_gla, fused_recurrent_simple_gla, parallel_simple_gla

__all__ = ["chunk_simple_gla", "fused_recurrent_simple_gla", "parallel_simple_gla"]
