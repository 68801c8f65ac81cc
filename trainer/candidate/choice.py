"""Which class of a source is the mixer: helpers may be defined with it, and a block or a model around it."""

import ast
import inspect

from torch import nn

from architecture.forms import is_helper, is_wrapper, takes_heads, takes_width
from trainer.candidate.construction import Parameters, configurations, constructor_parameters

ModuleClasses = list[type[nn.Module]]


def mixer_classes(classes: ModuleClasses, tree: ast.Module) -> ModuleClasses:
    """Return the classes of a source that can be its mixer; more than one means that the source is ambiguous.

    A single class is the mixer. Of several, only those with a mixer's constructor count:

    1. Blocks and models contain the layer, so they are set aside. If nothing else is left, the innermost one counts.
    2. Only a whole layer's forward takes a mask. The last class that takes one counts: it is made of those before it.
    3. Without a mask, a class that another one uses is a part, unless a block was set aside: it uses its layer.
    """
    if len(classes) < 2:
        return classes
    mixers = _constructed_as_mixers(classes)
    used = _names_used_by_class(tree)
    layers = [kind for kind in mixers if not _is_block_or_model(kind)]
    if not layers:
        names = {kind.__name__ for kind in mixers}
        return [kind for kind in mixers if not used.get(kind.__name__, set()) & names]
    masked = [kind for kind in layers if "attention_mask" in inspect.signature(kind.forward).parameters]
    if masked:
        return masked[-1:]
    if len(layers) < len(mixers):
        return layers
    parts = set[str]().union(*used.values())
    return [kind for kind in layers if kind.__name__ not in parts]


def _constructed_as_mixers(classes: ModuleClasses) -> ModuleClasses:
    """Return the classes that take a width and heads; if none does, a configuration; if none does, a width alone."""
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


def _is_block_or_model(kind: type[nn.Module]) -> bool:
    """Whether a class is a whole block or model, by its name, its constructor and the first input of its forward."""
    first_input = list(inspect.signature(kind.forward).parameters)[1:2]  # the first parameter is self
    return is_wrapper(kind.__name__, [*constructor_parameters(kind), *first_input])


def _names_used_by_class(tree: ast.Module) -> dict[str, set[str]]:
    """Return, by class, every name in its text except its own, so also its bases and its parts."""
    return {
        owner.name: {node.id for node in ast.walk(owner) if isinstance(node, ast.Name)} - {owner.name}
        for owner in tree.body
        if isinstance(owner, ast.ClassDef)
    }
