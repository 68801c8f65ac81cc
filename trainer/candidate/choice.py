"""Which class of a source is the mixer: helpers may be defined with it, and a block or a model around it."""

import ast
import inspect

from torch import nn

from architecture.forms import is_helper, is_wrapper, takes_heads, takes_width
from trainer.candidate.construction import Parameters, configurations, constructor_parameters

ModuleClasses = list[type[nn.Module]]


def mixer_classes(classes: ModuleClasses, tree: ast.Module) -> ModuleClasses:
    """Return the classes of a source that can be its mixer; more than one means that the source is ambiguous.

    Blocks and models contain the layer, so they are set aside; if all classes are named as blocks or models, the
    innermost one counts. Only a layer's forward takes a mask, and the last such layer is made of those before it.
    Without a mask, a class that another one uses is a part.
    """
    if len(classes) < 2:
        return classes
    mixers = _constructed_as_mixers(classes)
    used = _names_used_by_class(tree)
    layers = [kind for kind in mixers if not _contains_a_layer(kind)]
    if not layers:
        names = {kind.__name__ for kind in mixers}
        return [kind for kind in mixers if not used.get(kind.__name__, set()) & names]
    masked = [kind for kind in layers if "attention_mask" in inspect.signature(kind.forward).parameters]
    parts = set[str]().union(*used.values()) if len(layers) == len(mixers) else set()  # a block may use its layer
    return masked[-1:] or [kind for kind in layers if kind.__name__ not in parts]


def _constructed_as_mixers(classes: ModuleClasses) -> ModuleClasses:
    """Return the classes that take a width and heads; if there are none, a configuration; else a width alone."""
    signatures = [(kind, _parameters(kind)) for kind in classes]
    wide = [(kind, names) for kind, names in signatures if takes_width(names)]
    headed = [kind for kind, names in wide if takes_heads(names)]
    configured = [kind for kind, names in signatures if configurations(names) and not is_helper(kind.__name__)]
    return headed or configured or [kind for kind, _ in wide if not is_helper(kind.__name__)]


def _parameters(kind: type[nn.Module]) -> Parameters:
    """Return a constructor's parameters by name, none if it has no signature."""
    try:
        return constructor_parameters(kind)
    except (TypeError, ValueError):
        return {}


def _contains_a_layer(kind: type[nn.Module]) -> bool:
    """Whether a class is a whole block or model."""
    first_input = list(inspect.signature(kind.forward).parameters)[1:2]
    return is_wrapper(kind.__name__, [*constructor_parameters(kind), *first_input])


def _names_used_by_class(tree: ast.Module) -> dict[str, set[str]]:
    """Return, for each class, the names that it uses except its own: its bases, its parts and all others."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        owner.name: {node.id for node in ast.walk(owner) if isinstance(node, ast.Name)} - {owner.name}
        for owner in classes
    }
