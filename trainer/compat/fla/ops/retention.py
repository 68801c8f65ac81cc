"""fla.ops.retention, by its own module name."""

from trainer.compat.fla.ops import chunk_retention, fused_chunk_retention, fused_recurrent_retention, parallel_retention

__all__ = ["chunk_retention", "fused_chunk_retention", "fused_recurrent_retention", "parallel_retention"]
