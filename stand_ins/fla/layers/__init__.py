"""fla's layers that other layers build on, and their helpers: padding, caches, low-rank maps."""

from stand_ins.fla.layers.attn import Attention
from stand_ins.fla.layers.delta import DeltaNet, GatedDeltaNet, KimiDeltaAttention
from stand_ins.fla.layers.gated import GatedLinearAttention, MultiScaleRetention
from stand_ins.fla.layers.low_rank import DDLerpLinear, LerpLinear, LoRA
from stand_ins.fla.layers.utils import (
    get_layer_cache,
    repad_hidden_states,
    require_cache_layer_idx,
    unpad_hidden_states,
    unpad_input,
    update_layer_cache,
)
from stand_ins.packed_sequences import get_unpad_data, index_first_axis, index_put_first_axis, pad_input

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
