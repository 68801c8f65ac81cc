"""fla's layers that others are made of, and what they share: padding, caches, low-rank maps."""

from trainer.compat.fla.layers.attn import Attention
from trainer.compat.fla.layers.delta import DeltaNet, GatedDeltaNet, KimiDeltaAttention
from trainer.compat.fla.layers.gated import GatedLinearAttention, MultiScaleRetention
from trainer.compat.fla.layers.low_rank import DDLerpLinear, LerpLinear, LoRA
from trainer.compat.fla.layers.utils import (
    get_layer_cache,
    get_unpad_data,
    index_first_axis,
    index_put_first_axis,
    pad_input,
    repad_hidden_states,
    require_cache_layer_idx,
    unpad_hidden_states,
    unpad_input,
    update_layer_cache,
)

__all__ = [
    "Attention",
    "DDLerpLinear",
    "DeltaNet",
    "GatedDeltaNet",
    "GatedLinearAttention",
    "KimiDeltaAttention",
    "LerpLinear",
    "LoRA",
    "MultiScaleRetention",
    "get_layer_cache",
    "get_unpad_data",
    "index_first_axis",
    "index_put_first_axis",
    "pad_input",
    "repad_hidden_states",
    "require_cache_layer_idx",
    "unpad_hidden_states",
    "unpad_input",
    "update_layer_cache",
]
