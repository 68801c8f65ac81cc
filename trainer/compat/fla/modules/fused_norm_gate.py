"""fla.modules.fused_norm_gate, by its own module name."""

from trainer.compat.fla.modules.norms import FusedRMSNormGated, FusedRMSNormSwishGate

__all__ = ["FusedRMSNormGated", "FusedRMSNormSwishGate"]
