"""What fla's layers share: padding, caches, low-rank maps."""

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
    "DDLerpLinear",
    "LerpLinear",
    "LoRA",
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
