"""Plainer trees of the same function in training: rewrites that the canonical form does not have.

The canonical form is part of a formula's key, so a new rule there would make keys of earlier logs invalid. These rules
choose among keys instead, when a design takes its normal form (`agents.design.equivalence`).
"""

import math
from collections.abc import Sequence

from agents.design.formulas.expression import Expression, call, number
from agents.design.formulas.ranges import exp, is_of_token, sigmoid, softplus
from agents.design.formulas.values import CONFIRMING, OF_KEYS, values

_STARTS = {"a0": (0.0,), "s0": (2.0, 6.0)}
"""Where learned numbers start, at their ends."""
_OF_A_NUMBER = {"sigmoid": sigmoid, "softplus": softplus, "exp": exp, "relu": lambda x: max(0.0, x)}


def plainer(tree: Expression) -> Expression:
    """Return the tree with factors pulled out of `relu`, `norm`, `dot` and its own sum, and what `relu` silences as 0.

    A learned number that starts where `relu` is flat has no gradient there and never leaves it, unless it stands
    elsewhere too.
    """
    return _factored(_rewritten(tree, tree))


def is_idle(tree: Expression) -> bool:
    """Return whether a formula does nothing: it has one value whatever the token, such as relu(z)·relu(−z)."""
    plain = plainer(tree)
    return all(_is_constant(values(plain, sample)) for sample in (OF_KEYS, CONFIRMING))


def _is_constant(found: Sequence[float]) -> bool:
    return max(found) - min(found) <= 1e-9 * max(1.0, *map(abs, found))


def _rewritten(tree: Expression, whole: Expression) -> Expression:
    args = tuple(_rewritten(arg, whole) for arg in tree.args)
    if tree.op == "relu" and _is_silenced(tree, whole):
        return number(0)
    if tree.op in ("relu", "norm") and (split := _positive_factor(args[0])):
        factor, rest = split
        return call("mul", number(factor), call(tree.op, rest))
    if tree.op == "dot":
        factors, vectors = zip(*map(_number_and_rest, args), strict=True)
        return call("mul", number(math.prod(factors)), call("dot", *vectors))
    return call(tree.op, *args) if args else tree


def _factored(tree: Expression) -> Expression:
    """Return a sum whose terms all have one factor as that factor times a sum."""
    if tree.op != "add":
        return tree
    terms = [term.args if term.op == "mul" else (term,) for term in tree.args]
    common = next((one for one in terms[0] if one.op != "number" and all(one in term for term in terms)), None)
    if common is None:
        return tree
    places = [term.index(common) for term in terms]
    rests = [(*term[:place], *term[place + 1 :]) for term, place in zip(terms, places, strict=True)]
    return call("mul", common, call("add", *(call("mul", number(1), number(1), *rest) for rest in rests)))


def _number_and_rest(tree: Expression) -> tuple[float, Expression]:
    """Return a product as its number and the rest."""
    if tree.op != "mul" or tree.args[0].op != "number":
        return 1.0, tree
    rest = tree.args[1:]
    return tree.args[0].value, rest[0] if len(rest) == 1 else call("mul", *rest)


def _positive_factor(tree: Expression) -> tuple[float, Expression] | None:
    """Return a product as its positive number and the rest; None without one other than 1."""
    factor, rest = _number_and_rest(tree)
    if abs(factor) in (0.0, 1.0):
        return None
    return abs(factor), rest if factor > 0 else call("mul", number(-1), rest)


def _is_silenced(tree: Expression, whole: Expression) -> bool:
    """Return whether a `relu` sees learned numbers alone, which start at or below 0 and stand nowhere else."""
    inner = tree.args[0]
    if is_of_token(inner) or not inner.leaves <= _STARTS.keys():
        return False
    alone = all(_count(inner, name) == _count(whole, name) for name in inner.leaves)
    return bool(inner.leaves) and alone and all(_at_start(inner, end) <= 0 for end in (0, -1))


def _count(tree: Expression, name: str) -> int:
    return sum(node.op == name for _, node in tree.nodes())


def _at_start(tree: Expression, end: int) -> float:
    """Return the value of a tree of learned numbers when training starts, at one end of their starts."""
    if not tree.args:
        return tree.value if tree.op == "number" else _STARTS[tree.op][end]
    args = [_at_start(arg, end) for arg in tree.args]
    if tree.op == "add":
        return sum(args)
    if tree.op == "mul":
        return math.prod(args)
    return _OF_A_NUMBER.get(tree.op, lambda x: x)(args[0])
