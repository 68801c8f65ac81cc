"""How a layer of fla's form is built: by the names that its constructor has, or from a configuration.

Arguments are given by name, wherever they stand and under whichever of their usual names; what else a constructor takes
keeps its default, but for sizes whose defaults suit a wide model only: a gate of 128 channels beside a width of 32
would be most of the layer. `agents.admission.layer_check` has these names too, and says why.
"""

import inspect
import re
import sys
from typing import Any

from torch import nn

from stand_ins.transformers.configuration import PretrainedConfig

WIDTHS = ("hidden_size", "d_model", "embed_dim", "dim", "n_embd", "model_dim")
HEADS = ("num_heads", "n_heads", "n_head", "heads", "nheads", "nhead")
HEAD_WIDTHS = ("head_dim", "d_head", "dim_head", "headdim", "head_size")
CONFIGURATIONS = frozenset({"config", "cfg", "args"})
"""How a configuration is called among a constructor's arguments."""
DEPTHS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
ASSUMED_DEPTH = 12
"""How many layers a layer is told of that scales something by its depth."""
FIRST_LAYER_ARGUMENTS = frozenset({"v_first"})
"""What a layer's forward pass takes from the first layer of its model, where every layer is tried by itself."""
DEFAULT_ARGUMENTS = {
    "attention_bias": False, "attention_dropout": 0.0, "attn_dropout": 0.0, "bias": False, "causal": True,
    "chunk_size": 64, "conv_size": 4, "d_conv": 4, "d_state": 16, "device": None, "dropout": 0.0, "dtype": None,
    "eps": 1e-5, "expand": 2, "hidden_act": "silu", "initializer_range": 0.02, "kernel_size": 4, "layer_norm_eps": 1e-5,
    "max_position_embeddings": 4096, "max_seq_len": 4096, "norm_eps": 1e-5, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "use_bias": False, "use_cache": False, "vocab_size": 256,
}  # fmt: skip
"""What a constructor is given that asks for it without a default, and what a configuration holds besides the sizes."""
INNER_SIZE_NAME = re.compile(
    r"(.+_|^)(dim|rank|proj|hidden|features|state|inner|ff)$|^(state|ffn|mlp|inner|latent|bottleneck)_size$"
)
"""How sizes inside a layer are called; kernels, chunks, windows and groups are not among them."""

Parameters = dict[str, inspect.Parameter]


def parameters_of(candidate: type) -> Parameters:
    """Return the constructor's parameters by name, those of base classes included where it hands `**kwargs` on."""
    found: Parameters = {}
    for kind in candidate.__mro__:
        if "__init__" not in vars(kind):
            continue
        own = dict(inspect.signature(vars(kind)["__init__"]).parameters)
        found = own | found
        if kind is nn.Module or all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return found


def is_fla_form(candidate: type[nn.Module]) -> bool:
    """Whether a class is constructed by fla's names, wherever they stand in its signature."""
    names = parameters_of(candidate)
    return bool(configurations_of(names)) or any(width in names for width in WIDTHS)


def layer_of(candidate: type[nn.Module], d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
    """Build a layer by the names that its constructor has. Raises whatever the constructor raises."""
    names = parameters_of(candidate)
    if FIRST_LAYER_ARGUMENTS & set(inspect.signature(candidate.forward).parameters):
        layer_idx = 0
    given = _given(names, d_model, n_heads, layer_idx)
    if not any(width in names for width in WIDTHS):
        for name in configurations_of(names):
            given[name] = _configuration(candidate, names[name], d_model, n_heads, layer_idx)
    return candidate(**given)


def configurations_of(names: Parameters) -> list[str]:
    """Return the arguments that are configurations (and not all of the arguments that have no name)."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name in CONFIGURATIONS & names.keys() if names[name].kind not in kinds]


def _given(names: Parameters, d_model: int, n_heads: int, layer_idx: int) -> dict[str, Any]:
    """Return the arguments that a constructor gets."""
    known = dict.fromkeys(WIDTHS, d_model) | dict.fromkeys((*HEADS, "num_attention_heads"), n_heads)
    known |= (
        dict.fromkeys(HEAD_WIDTHS, d_model // n_heads) | {"layer_idx": layer_idx} | dict.fromkeys(DEPTHS, ASSUMED_DEPTH)
    )
    given: dict[str, Any] = {name: value for name, value in known.items() if name in names}
    asked = [name for name, parameter in names.items() if parameter.default is parameter.empty]
    given |= {name: value for name, value in DEFAULT_ARGUMENTS.items() if name in asked}
    fixed = {name: size for name, parameter in names.items() if (size := _size(parameter)) is not None}
    given = {name: d_model for name, size in fixed.items() if size > d_model and INNER_SIZE_NAME.match(name)} | given
    given |= {name: value for name, value in _sizes(d_model, n_heads).items() if name in fixed}
    if "expand" in names:  # the inner width is told by it, and has to be met by the width of a head
        inner = d_model * given.get("expand", names["expand"].default)
        given |= {name: int(inner) // n_heads for name in HEAD_WIDTHS if name in names}
    if fixed.get("expand_ratio", 0) > d_model:
        given["expand_ratio"] = d_model // n_heads  # not a ratio but the width of a head
    return given


def _size(parameter: inspect.Parameter) -> int | None:
    """Return the size that a default fixes, 0 where it has to be given, None where the layer derives it."""
    if parameter.default is parameter.empty:
        return 0
    return parameter.default if type(parameter.default) is int else None


def _sizes(d_model: int, n_heads: int) -> dict[str, int]:
    """Return what else defaults fix for a wide model."""
    sizes = {"intermediate_size": 2 * d_model, "qk_head_dim": 2 * d_model}
    return sizes | dict.fromkeys(("num_key_value_heads", "num_kv_heads", "n_kv_heads"), n_heads)


def _configuration(
    candidate: type[nn.Module], parameter: inspect.Parameter, d_model: int, n_heads: int, layer_idx: int
) -> Any:
    """Return a configuration: of the class that the parameter is annotated with, else with the usual names."""
    kind = parameter.annotation
    if isinstance(kind, str):
        kind = vars(sys.modules[candidate.__module__]).get(kind.strip("\"'"))
    if isinstance(kind, type) and kind.__module__ == candidate.__module__:
        return kind(**_given(parameters_of(kind), d_model, n_heads, layer_idx))
    usual = dict.fromkeys(WIDTHS, d_model) | dict.fromkeys((*HEADS, "num_attention_heads"), n_heads)
    sizes = (
        _sizes(d_model, n_heads) | dict.fromkeys(HEAD_WIDTHS, d_model // n_heads) | dict.fromkeys(DEPTHS, ASSUMED_DEPTH)
    )
    return PretrainedConfig(**DEFAULT_ARGUMENTS | usual | sizes | {"layer_idx": layer_idx})
