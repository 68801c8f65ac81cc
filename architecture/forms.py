"""The two forms of architecture, recognised by class names and argument names alone.

    native:  __init__(self, d_model, n_heads, layer_idx=0)      forward(self, x)
    layer:   __init__(self, hidden_size, num_heads, ...)        forward(self, hidden_states, attention_mask=None, ...)

Native architectures are written for this lab. The layer form is that of published files, such as those of
flash-linear-attention. In both, forward maps [B, T, D] to [B, T, D]. The predicates take the argument names of a
method without `self`, `*args` and `**kwargs`, so they serve a check of the syntax tree and one of a loaded class.
"""

from collections.abc import Collection, Iterable
from itertools import islice

from architecture.names import CONFIGURATIONS, HEADS, HELPER_SUFFIXES, TOKEN_ARGUMENTS, WIDTHS, WRAPPER_SUFFIXES

NATIVE_CONSTRUCTOR = ("d_model", "n_heads", "layer_idx")
"""Arguments of a native constructor, in order; `layer_idx` has a default."""
NATIVE_FORWARD = ("x",)
"""Arguments of a native forward pass."""


def is_native(arguments: Iterable[str]) -> bool:
    """Whether a constructor's arguments begin as those of the native form."""
    return tuple(islice(arguments, 3)) == NATIVE_CONSTRUCTOR


def takes_native_sizes(arguments: Iterable[str]) -> bool:
    """Whether a constructor's arguments begin with the width and the heads of the native form."""
    return tuple(islice(arguments, 2)) == NATIVE_CONSTRUCTOR[:2]


def takes_width(arguments: Collection[str]) -> bool:
    """Whether a width is among a constructor's arguments."""
    return any(name in arguments for name in WIDTHS)


def takes_heads(arguments: Collection[str]) -> bool:
    """Whether a number of heads is among a constructor's arguments."""
    return any(name in arguments for name in HEADS)


def takes_configuration(arguments: Collection[str]) -> bool:
    """Whether a configuration is among a constructor's arguments."""
    return any(name in arguments for name in CONFIGURATIONS)


def is_layer(class_name: str, arguments: Collection[str]) -> bool:
    """Whether a class's constructor is that of a layer: by a width and heads, a configuration, or a width alone."""
    if takes_configuration(arguments):
        return True
    return takes_width(arguments) and (takes_heads(arguments) or not is_helper(class_name))


def is_helper(class_name: str) -> bool:
    """Whether a class is named as a helper of a mixer."""
    return class_name.endswith(HELPER_SUFFIXES)


def is_wrapper(class_name: str, arguments: Collection[str]) -> bool:
    """Whether a class contains a mixer: a block or model by its name, or by tokens among its arguments."""
    return class_name.endswith(WRAPPER_SUFFIXES) or any(name in arguments for name in TOKEN_ARGUMENTS)
