"""Genetic operators on formulas: growth, a new subtree, other constants, a hoisted subtree, and crossover.

Each returns a tree that fits its opening, or None if the draw led nowhere. All draws come from the generator.
"""

import random
from collections.abc import Sequence
from itertools import accumulate

from agents.design.formulas.expression import PRIMITIVES, Expression, call, leaf, negative, number
from agents.design.formulas.openings import LEAVES, Opening
from agents.design.formulas.ranges import fault_of, growth_of, range_of, shape_of
from agents.design.formulas.simplify import canonical

MAX_DEPTH = 3
PRICE_FACTOR = 0.9
"""Weight of a tree among rivals: this to the power of its price."""
_PRIMITIVE_WEIGHTS = {
    "add": 3.0, "mul": 3.0, "sigmoid": 3.0, "softplus": 1.0, "exp": 0.5, "relu": 1.0, "softmax": 0.3, "norm": 0.5,
    "mean": 0.7, "dot": 0.7,
}  # fmt: skip
assert _PRIMITIVE_WEIGHTS.keys() == PRIMITIVES.keys()
_DRAWN_PRIMITIVES, _SUMS_OF_WEIGHTS = tuple(_PRIMITIVE_WEIGHTS), tuple(accumulate(_PRIMITIVE_WEIGHTS.values()))
_CONSTANTS = (0.0625, 0.25, 0.5, 1.0, 2.0, 4.0)
_CONSTANT_SHARE = 0.15
_LEAF_SHARE = 0.35
_CHANGES = ("subtree", "subtree", "insert", "constant", "hoist", "crossover")
"""Changes of a present formula, each as often as it stands here."""


def grown(opening: Opening, rng: random.Random) -> Expression | None:
    """Return a new tree, wrapped so that it fits."""
    return fitted(_random_tree(opening, rng, MAX_DEPTH), opening, rng)


def varied(tree: Expression, mates: Sequence[Expression], opening: Opening, rng: random.Random) -> Expression | None:
    """Return the tree after one change; `mates` are formulas of the same opening."""
    change = rng.choice(_CHANGES)
    nodes = list(tree.nodes())
    path, node = rng.choice(nodes)
    if change == "crossover" and mates:
        new = rng.choice(list(rng.choice(mates).nodes()))[1]
    elif change == "constant":
        return fitted(_other_constants(tree, rng), opening, rng)
    elif change == "hoist" and len(nodes) > 1:
        return fitted(rng.choice(nodes[1:])[1], opening, rng)
    elif change == "insert":
        new = _above(node, opening, rng)
    else:
        new = _random_tree(opening, rng, 2)
    return fitted(tree.replaced(path, new), opening, rng)


def cheapest_first(trees: Sequence[Expression], rng: random.Random) -> Expression:
    """Return one of the trees, the simpler the likelier."""
    return rng.choices(list(trees), [PRICE_FACTOR**tree.price for tree in trees])[0]


def fitted(tree: Expression, opening: Opening, rng: random.Random) -> Expression | None:
    """Return the canonical tree, wrapped into the opening's range and shape; None if it can't be."""
    try:
        tree = canonical(tree)
        shape_of(tree)
    except ValueError:  # key channels next to value channels
        return None
    if fault_of(tree, opening):
        tree = canonical(_wrapped(tree, opening, rng))
    return None if fault_of(tree, opening) else tree


def _wrapped(tree: Expression, opening: Opening, rng: random.Random) -> Expression:
    """Return a tree in the form that mixers of the field give to what stands in the opening."""
    low, high = range_of(tree)
    if opening.axis == "decay" and high > 0:
        slow = call("add", tree, negative(leaf("s0")))
        forms = (slow, call("add", negative(tree), negative(leaf("s0"))), tree)
        inner = call("softplus", rng.choices(forms, (4, 2, 1))[0])
        return negative(call("mul", call("exp", leaf("a0")), inner) if rng.random() < 0.3 else inner)
    if opening.axis == "update" and (low < opening.least or high > opening.most):
        inside = call("sigmoid", tree)
        return call("mul", number(2), inside) if rng.random() < 0.3 else inside
    if opening.axis == "gate" and growth_of(tree) > opening.growth:
        return call("sigmoid", tree)
    if opening.needs and (opening.needs not in tree.leaves or shape_of(tree) not in opening.shapes):
        return call(rng.choice(("mul", "mul", "add")), leaf(opening.needs), tree)
    return tree


def _random_tree(opening: Opening, rng: random.Random, depth: int) -> Expression:
    """Return a random tree of at most this depth; its shapes may not fit."""
    if depth == 0 or rng.random() < _LEAF_SHARE:
        return _random_leaf(opening, rng)
    op = _random_primitive(rng)
    if op in ("norm", "softmax"):
        return call(op, leaf(rng.choice(_wide(opening))))
    if op == "dot":
        narrow = [name for name in _wide(opening) if LEAVES[name].shape == "key"] or _wide(opening)
        return call(op, leaf(rng.choice(narrow)), leaf(rng.choice(narrow)))
    return call(op, *(_random_tree(opening, rng, depth - 1) for _ in range(PRIMITIVES[op])))


def _above(node: Expression, opening: Opening, rng: random.Random) -> Expression:
    """Return a primitive with the node among its arguments."""
    op = _random_primitive(rng)
    rest = [_random_tree(opening, rng, 1) for _ in range(PRIMITIVES[op] - 1)]
    return call(op, node, *rest)


def _random_primitive(rng: random.Random) -> str:
    return rng.choices(_DRAWN_PRIMITIVES, cum_weights=_SUMS_OF_WEIGHTS)[0]


def _random_leaf(opening: Opening, rng: random.Random) -> Expression:
    """Return a leaf, those at the front of the opening's list likelier, or a constant."""
    if rng.random() < _CONSTANT_SHARE:
        return number(rng.choice(_CONSTANTS))
    names = opening.leaves
    return leaf(rng.choices(names, [1 / (1 + index) for index in range(len(names))])[0])


def _wide(opening: Opening) -> list[str]:
    """Return the leaves that have channels."""
    return [name for name in opening.leaves if LEAVES[name].shape in ("key", "value")] or [opening.leaves[0]]


def _other_constants(tree: Expression, rng: random.Random) -> Expression:
    """Return the tree with one constant doubled, halved or negated; without one, a part of it scaled."""
    constants = [(path, node) for path, node in tree.nodes() if node.op == "number"]
    factor = rng.choice((0.5, 0.5, 2.0, 2.0, -1.0))
    if constants and rng.random() < 0.7:
        path, node = rng.choice(constants)
        return tree.replaced(path, number(node.value * factor))
    path, node = rng.choice(list(tree.nodes()))
    return tree.replaced(path, call("mul", number(factor), node))
