"""Norms, the short convolution and the rotary embedding, by fla's names."""

from trainer.compat.fla.modules.convolution import ShortConvolution
from trainer.compat.fla.modules.l2norm import l2norm
from trainer.compat.fla.modules.norms import FusedRMSNormGated, FusedRMSNormSwishGate, LayerNorm, RMSNorm
from trainer.compat.fla.modules.rotary import RotaryEmbedding

__all__ = [
    "FusedRMSNormGated",
    "FusedRMSNormSwishGate",
    "LayerNorm",
    "RMSNorm",
    "RotaryEmbedding",
    "ShortConvolution",
    "l2norm",
]
