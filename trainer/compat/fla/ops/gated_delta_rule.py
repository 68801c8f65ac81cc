"""fla.ops.gated_delta_rule, by its own module name."""

from trainer.compat.fla.ops import chunk_gated_delta_rule, fused_recurrent_gated_delta_rule

__all__ = ["chunk_gated_delta_rule", "fused_recurrent_gated_delta_rule"]
