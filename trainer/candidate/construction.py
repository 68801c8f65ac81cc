"""How an fla-style layer is built: by the names of its constructor's arguments, or from a configuration.

Arguments are given by name, wherever they stand and whichever of their usual names they have (`architecture.names`).
Other arguments keep their defaults, except sizes that suit a wide model only: at a width of 32, a gate of 128 channels
would be most of the layer.
"""

import inspect
import re
import sys
from dataclasses import dataclass
from typing import Any

from torch import nn

from architecture.forms import takes_width
from architecture.names import (
    CONFIGURATIONS,
    DEFAULT_ARGUMENTS,
    DEPTHS,
    HEAD_COUNT_NAMES,
    HEAD_WIDTHS,
    KEY_VALUE_HEADS,
    WIDTH_MULTIPLES,
    WIDTHS,
)
from stand_ins.transformers.configuration import PretrainedConfig

ASSUMED_DEPTH = 12
"""Number of layers that is given to a layer which scales something by its depth."""
FIRST_LAYER_ARGUMENTS = frozenset({"v_first"})
"""Arguments of forward that come from the first layer of a model; here every layer is tried by itself."""
INNER_SIZE_NAME = re.compile(
    r"(.+_|^)(dim|rank|proj|hidden|features|state|inner|ff)$|^(state|ffn|mlp|inner|latent|bottleneck)_size$"
)
"""Names of sizes inside a layer; kernels, chunks, windows and groups are not among them."""

Parameters = dict[str, inspect.Parameter]


@dataclass(frozen=True)
class LayerSize:
    """The size that a layer is built for."""

    d_model: int
    n_heads: int
    layer_idx: int

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.d_model // self.n_heads


def constructor_parameters(candidate: type) -> Parameters:
    """Return the constructor's parameters by name, with those of base classes that it passes `**kwargs` on to.

    Raises TypeError or ValueError if a constructor has no signature.
    """
    parameters: Parameters = {}
    for kind in candidate.__mro__:
        if "__init__" not in vars(kind):
            continue
        own = dict(inspect.signature(vars(kind)["__init__"]).parameters)
        parameters = own | parameters
        if kind is nn.Module or all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return parameters


def configurations(parameters: Parameters) -> list[str]:
    """Return the arguments that are configurations; `*args` and `**kwargs` are none."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name in CONFIGURATIONS & parameters.keys() if parameters[name].kind not in variadic]


def is_fla_style(candidate: type[nn.Module]) -> bool:
    """Whether a class is constructed from a width or a configuration, wherever it stands in the signature."""
    parameters = constructor_parameters(candidate)
    return bool(configurations(parameters)) or takes_width(parameters)


def build_layer(candidate: type[nn.Module], d_model: int, n_heads: int, layer_idx: int) -> nn.Module:
    """Build a layer by the names of its constructor's arguments. Raises whatever the constructor raises."""
    parameters = constructor_parameters(candidate)
    if FIRST_LAYER_ARGUMENTS & set(inspect.signature(candidate.forward).parameters):
        layer_idx = 0
    size = LayerSize(d_model, n_heads, layer_idx)
    arguments = constructor_arguments(parameters, size)
    if not takes_width(parameters):
        for name in configurations(parameters):
            arguments[name] = _configuration(candidate, parameters[name], size)
    return candidate(**arguments)


def constructor_arguments(parameters: Parameters, size: LayerSize) -> dict[str, Any]:
    """Return the arguments to give to a constructor with these parameters."""
    defaults = _default_sizes(parameters)
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    arguments: dict[str, Any] = {
        name: size.d_model
        for name, default in defaults.items()
        if default > size.d_model and INNER_SIZE_NAME.match(name)
    }
    arguments |= {name: value for name, value in _usual_arguments(size).items() if name in parameters}
    arguments |= {name: value for name, value in DEFAULT_ARGUMENTS.items() if name in required}
    arguments |= {name: value for name, value in _inner_sizes(size).items() if name in defaults}
    if "expand" in parameters:  # the heads share the expanded width
        inner_width = int(size.d_model * arguments.get("expand", parameters["expand"].default))
        arguments |= {name: inner_width // size.n_heads for name in HEAD_WIDTHS if name in parameters}
    if defaults.get("expand_ratio", 0) > size.d_model:
        arguments["expand_ratio"] = size.head_width  # a width of heads by this name, and no ratio
    return arguments


def _default_sizes(parameters: Parameters) -> dict[str, int]:
    """Return the sizes that defaults fix, 0 for required arguments; a layer derives sizes that default to None."""
    sizes = {}
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            sizes[name] = 0
        elif type(parameter.default) is int:
            sizes[name] = parameter.default
    return sizes


def _usual_arguments(size: LayerSize) -> dict[str, int]:
    """Return the arguments that every layer gets if it has them."""
    return (
        dict.fromkeys(WIDTHS, size.d_model)
        | dict.fromkeys(HEAD_COUNT_NAMES, size.n_heads)
        | dict.fromkeys(HEAD_WIDTHS, size.head_width)
        | dict.fromkeys(DEPTHS, ASSUMED_DEPTH)
        | {"layer_idx": size.layer_idx}
    )


def _inner_sizes(size: LayerSize) -> dict[str, int]:
    """Return the arguments that a layer gets unless it derives them itself."""
    multiples = {name: multiple * size.d_model for name, multiple in WIDTH_MULTIPLES.items()}
    return multiples | dict.fromkeys(KEY_VALUE_HEADS, size.n_heads)


def _configuration(candidate: type[nn.Module], parameter: inspect.Parameter, size: LayerSize) -> Any:
    """Return a configuration: of the file's own class if the parameter is annotated with one, else with usual names."""
    kind = parameter.annotation
    if isinstance(kind, str):
        kind = vars(sys.modules[candidate.__module__]).get(kind.strip("\"'"))
    if isinstance(kind, type) and kind.__module__ == candidate.__module__:
        return kind(**constructor_arguments(constructor_parameters(kind), size))
    return PretrainedConfig(**DEFAULT_ARGUMENTS | _usual_arguments(size) | _inner_sizes(size))
