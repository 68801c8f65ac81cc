"""fla.ops.delta_rule, by its own module name."""

from trainer.compat.fla.ops import chunk_delta_rule, fused_chunk_delta_rule, fused_recurrent_delta_rule

__all__ = ["chunk_delta_rule", "fused_chunk_delta_rule", "fused_recurrent_delta_rule"]
