"""The canonical form of a formula: simpler, and the same for sums and products in another order.

Every rule keeps the function's values. What the rules miss, such as a product of sums against its terms, the
fingerprint finds (`values`).
"""

from collections.abc import Iterable
from functools import lru_cache

from agents.design.formulas.expression import PRIMITIVES, Expression, call, number
from agents.design.formulas.ranges import exp, is_of_token, range_of, sigmoid, softplus
from agents.design.formulas.values import variants

_OVER_CHANNELS = frozenset({"dot", "norm", "softmax"})
_FOLDED = {"sigmoid": sigmoid, "softplus": softplus, "exp": exp, "relu": lambda x: max(0.0, x), "mean": lambda x: x}


@lru_cache(maxsize=8192)
def canonical(tree: Expression) -> Expression:
    """Return the smallest simplified tree among those whose leaves are exchanged without a difference."""
    plain = simplified(tree)  # without a minus sign it has the fewest already
    return min(map(simplified, variants(plain, spare_names=False, signs="-" in plain.text)), key=_simplicity)


@lru_cache(maxsize=8192)
def simplified(tree: Expression) -> Expression:
    """Return the tree with sums and products flat, sorted and folded."""
    if not tree.args:
        return tree
    args = tuple(simplified(arg) for arg in tree.args)
    if tree.op == "add":
        return _sum(args)
    if tree.op == "mul":
        return _product(args)
    if tree.op in _OVER_CHANNELS:
        return _over_channels(tree, args)
    return _of_one(tree.op, args[0])


def _over_channels(tree: Expression, args: tuple[Expression, ...]) -> Expression:
    """Return a primitive whose value depends on the number of channels, which a vector folded to a number has lost."""
    if any(arg.op == "number" and arg.value == 0 for arg in args) and tree.op != "softmax":
        return number(0)
    kept = [old if new.op == "number" else new for old, new in zip(tree.args, args, strict=True)]
    return call(tree.op, *sorted(kept, key=_text)) if tree.op == "dot" else call(tree.op, *kept)


def _of_one(op: str, arg: Expression) -> Expression:
    """Return a primitive of one argument, or what it is equal to."""
    low, high = range_of(arg)
    if arg.op == "number" and op in _FOLDED:
        return number(_FOLDED[op](arg.value))
    if (op == "relu" and low >= 0) or (op == "mean" and not is_of_token(arg)):
        return arg
    return number(0) if op == "relu" and high <= 0 else call(op, arg)


def _sum(terms: Iterable[Expression]) -> Expression:
    """Return a sum with equal terms collected, sorted, and its constant last."""
    factors: dict[Expression, float] = {}
    constant = 0.0
    for term in _flat("add", terms):
        factor, rest = _split(term)
        if rest is None:
            constant += factor
        else:
            factors[rest] = factors.get(rest, 0.0) + factor
    kept = [_scaled(factors[rest], rest) for rest in sorted(factors, key=_text) if abs(factors[rest]) > 1e-12]
    kept += [number(constant)] if abs(constant) > 1e-12 or not kept else []
    return kept[0] if len(kept) == 1 else call("add", *kept)


def _product(args: Iterable[Expression]) -> Expression:
    """Return a product with its constant first and its sums scaled so that their first term has no factor."""
    constant, factors = 1.0, list[Expression]()
    for arg in _flat("mul", args):
        factor, rest = _split(arg)
        constant *= factor
        if rest is not None and rest.op == "add":
            lead, _ = _split(rest.args[0])
            constant *= lead
            rest = _distributed(1 / lead, rest)
        factors += [] if rest is None else _flat("mul", [rest])
    if abs(constant) <= 1e-12 or not factors:
        return number(constant if abs(constant) > 1e-12 else 0)
    factors.sort(key=_text)
    if len(factors) == 1 and factors[0].op == "add":
        return _distributed(constant, factors[0])
    return _scaled(constant, factors[0] if len(factors) == 1 else call("mul", *factors))


def _distributed(factor: float, total: Expression) -> Expression:
    """Return a sum with all of its terms multiplied by a number."""
    return _sum(_scaled(factor * own, rest) for own, rest in map(_split, total.args))


def _split(term: Expression) -> tuple[float, Expression | None]:
    """Return a term as its number and the rest, which is None for a number."""
    if term.op == "number":
        return term.value, None
    if term.op == "mul" and term.args[0].op == "number":
        rest = term.args[1:]
        return term.args[0].value, rest[0] if len(rest) == 1 else call("mul", *rest)
    return 1.0, term


def _scaled(factor: float, rest: Expression | None) -> Expression:
    """Return a number times a tree that has none."""
    if rest is None:
        return number(factor)
    if abs(factor - 1) <= 1e-12:
        return rest
    return call("mul", number(factor), *(rest.args if rest.op == "mul" else (rest,)))


def _flat(op: str, args: Iterable[Expression]) -> list[Expression]:
    """Return the arguments of nested sums or products in one list."""
    assert op in PRIMITIVES
    return [inner for arg in args for inner in (_flat(op, arg.args) if arg.op == op else [arg])]


def _text(tree: Expression) -> str:
    return tree.text


def _simplicity(tree: Expression) -> tuple[int, int, str]:
    """Return the sort key of equal trees: few nodes, few minus signs."""
    return tree.size, tree.text.count("-"), tree.text
