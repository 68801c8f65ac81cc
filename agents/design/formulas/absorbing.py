"""Factors and terms that a free parameter absorbs: without them a formula is the same family of functions.

`sigmoid(4 w x_t + a)` is `sigmoid(w x_t)` for another w and bias, and the output projection takes up the factor of a
value. Only the start of training differs, so such formulas are not told apart.
"""

from collections.abc import Iterator

from agents.design.formulas.expression import Expression, call, leaf, negative, number
from agents.design.formulas.openings import LEAVES, Opening
from agents.design.formulas.simplify import canonical

BIASED = ("h0", "h1", "c0")
"""Projections that have a bias."""


def absorbed(tree: Expression, opening: Opening) -> Expression:
    """Return the canonical tree without factors that a projection or a learned number takes up."""
    tree = canonical(tree)
    if opening.absorbs_factor and tree.op == "mul" and tree.args[0].op == "number":
        tree = canonical(call("mul", *tree.args[1:], number(1)))
    before = None
    while tree != before:
        before = tree
        for name in sorted(name for name in tree.leaves if LEAVES[name].symmetric):
            tree = _unscaled(tree, name)
            tree = _unshifted(tree, name) if name in BIASED else tree
    return tree


def _unscaled(tree: Expression, name: str) -> Expression:
    """Return the tree without a number that stands in front of a leaf wherever the leaf does."""
    factors = set(_factors(tree, name))
    if len(factors) != 1 or (factor := factors.pop()) in (0.0, 1.0):
        return tree
    return _with(tree, name, call("mul", number(1 / factor), leaf(name)))


def _unshifted(tree: Expression, name: str) -> Expression:
    """Return the tree without a learned number or a constant that is always added to a leaf with a bias."""
    sums = [node for _, node in tree.nodes() if node.op == "add" and leaf(name) in node.args]
    shifts = dict.fromkeys(arg for node in sums for arg in node.args if arg.op == "number" or arg.leaves == {"a0"})
    for shift in shifts:
        shorter = _with(tree, name, call("add", leaf(name), negative(shift)))
        if shorter.size < tree.size:
            return shorter
    return tree


def _with(tree: Expression, name: str, new: Expression) -> Expression:
    """Return the canonical tree with another one for a leaf."""
    return canonical(tree.substituted({name: new}))


def _factors(tree: Expression, name: str) -> Iterator[float]:
    """Yield the number in front of a leaf wherever it stands; 0 where it stands in a larger product with a number."""
    if tree.op == "mul" and tree.args[0].op == "number" and any(arg.op == name for arg in tree.args):
        yield tree.args[0].value if len(tree.args) == 2 else 0.0
        return
    for arg in tree.args:
        if arg.op == name:
            yield 1.0
        else:
            yield from _factors(arg, name)
