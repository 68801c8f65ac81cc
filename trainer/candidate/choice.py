"""Which of a source's classes is the mixer: helpers may stand beside it, a block and a model around it."""

import ast
import inspect

from torch import nn

from trainer.candidate.construction import HEADS, WIDTHS, Parameters, configurations_of, parameters_of

WRAPPER_SUFFIXES = ("Block", "Model", "LM", "Transformer", "Decoder", "DecoderLayer")
"""How classes are called that have a mixer inside."""
HELPER_SUFFIXES = ("MLP", "FFN", "FeedForward", "Norm", "Embedding", "Router", "Gate", "Conv")
"""How classes are called that stand beside a mixer."""
TOKEN_ARGUMENTS = frozenset({"vocab_size", "input_ids", "tokens", "token_ids", "idx", "ids"})
"""What a model takes and a mixer doesn't."""

Kinds = list[type[nn.Module]]


def mixers_of(found: Kinds, tree: ast.Module) -> Kinds:
    """Return the classes that can be the mixer among a source's own; it is to be one.

    A layer of fla's form is told from the modules beside it by the mask that only it takes; of several the last
    counts, being made of those before it. Where a file goes on to the blocks and the model around its layer, these are
    left aside: they have the layer, and more, inside. Where all are called like that, the innermost counts.
    """
    if len(found) < 2:
        return found
    mixers = _constructed_as_mixers(found)
    used = _used_by_classes(tree)
    layers = [kind for kind in mixers if not _is_around_a_layer(kind)]
    if not layers:
        names = {kind.__name__ for kind in mixers}
        return [kind for kind in mixers if not used.get(kind.__name__, set()) & names]
    masked = [kind for kind in layers if "attention_mask" in inspect.signature(kind.forward).parameters]
    free = set[str]().union(*used.values()) if len(layers) == len(mixers) else set()  # a block may name its layer
    return masked[-1:] or [kind for kind in layers if kind.__name__ not in free]


def _constructed_as_mixers(found: Kinds) -> Kinds:
    """Return the classes with a width and heads; failing these, with a configuration, or else a width alone."""
    taken = [(kind, _parameters(kind)) for kind in found]
    wide = [(kind, names) for kind, names in taken if any(width in names for width in WIDTHS)]
    headed = [kind for kind, names in wide if any(heads in names for heads in HEADS)]
    configured = [
        kind for kind, names in taken if configurations_of(names) and not kind.__name__.endswith(HELPER_SUFFIXES)
    ]
    return headed or configured or [kind for kind, _ in wide if not kind.__name__.endswith(HELPER_SUFFIXES)]


def _parameters(kind: type[nn.Module]) -> Parameters:
    """Return what a class is constructed from, by name."""
    try:
        return parameters_of(kind)
    except (TypeError, ValueError):
        return {}


def _is_around_a_layer(kind: type[nn.Module]) -> bool:
    """Whether a class is a whole block or model: by its name, or by tokens or a vocabulary among what it takes."""
    taken = {*parameters_of(kind), *list(inspect.signature(kind.forward).parameters)[1:2]}
    return kind.__name__.endswith(WRAPPER_SUFFIXES) or bool(taken & TOKEN_ARGUMENTS)


def _used_by_classes(tree: ast.Module) -> dict[str, set[str]]:
    """Return, for each class, the names that it uses besides its own: its bases and the parts that it is built from."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        owner.name: {node.id for node in ast.walk(owner) if isinstance(node, ast.Name)} - {owner.name}
        for owner in classes
    }
