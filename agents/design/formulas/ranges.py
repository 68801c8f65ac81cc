"""Shape, range and growth of a formula, computed from the tree alone, and the check against an opening."""

import math
from functools import lru_cache
from math import inf

from agents.design.formulas.expression import EXP_CAP, MAX_SIZE, Expression
from agents.design.formulas.openings import LEAVES, Opening, Shape

_RANK: dict[Shape, int] = {"number": 0, "head": 1, "key": 2, "value": 2}
Range = tuple[float, float]


@lru_cache(maxsize=8192)
def shape_of(tree: Expression) -> Shape:
    """Return the shape of a tree's value. Raises ValueError if shapes don't fit."""
    if not tree.args:
        return "number" if tree.op == "number" else LEAVES[tree.op].shape
    shapes: list[Shape] = [shape_of(arg) for arg in tree.args]
    widest = max(shapes, key=lambda shape: _RANK[shape])
    if any(_RANK[shape] == 2 and shape != widest for shape in shapes):
        raise ValueError(f"{tree.text} mixes key channels with value channels")
    if tree.op in ("norm", "softmax", "dot"):
        if any(_RANK[shape] < 2 for shape in shapes):
            raise ValueError(f"{tree.text} needs channels")
        return widest if tree.op == "softmax" else "head"
    return widest


def is_of_token(tree: Expression) -> bool:
    """Return whether a tree changes from step to step."""
    return any(LEAVES[name].of_token for name in tree.leaves)


@lru_cache(maxsize=8192)
def range_of(tree: Expression) -> Range:
    """Return bounds of a tree's value, whatever the leaves."""
    if not tree.args:
        return (tree.value, tree.value) if tree.op == "number" else (-inf, inf)
    ranges = [range_of(arg) for arg in tree.args]
    low, high = ranges[0]
    if tree.op == "add":
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)
    if tree.op == "mul":
        return _product_range(tree.args, ranges)
    if tree.op == "relu":
        return max(0.0, low), max(0.0, high)
    if tree.op in _MONOTONE:
        return _MONOTONE[tree.op](low), _MONOTONE[tree.op](high)
    return {"softmax": (0.0, 1.0), "norm": (0.0, inf), "mean": (low, high)}.get(tree.op, (-inf, inf))


def _product_range(args: tuple[Expression, ...], ranges: list[Range]) -> Range:
    low, high = 1.0, 1.0
    for arg in dict.fromkeys(args):
        count = args.count(arg)
        pair = ranges[args.index(arg)]
        for _ in range(count // 2):  # a square is not negative
            ends = [_times(end, end) for end in pair]
            low, high = _bounds((low, high), (0.0 if pair[0] <= 0 <= pair[1] else min(ends), max(ends)))
        if count % 2:
            low, high = _bounds((low, high), pair)
    return low, high


def _bounds(a: Range, b: Range) -> Range:
    ends = [_times(x, y) for x in a for y in b]
    return min(ends), max(ends)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b  # zero times infinity is a bound that is reached at zero


def softplus(x: float) -> float:
    """Return log(1 + exp(x))."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def exp(x: float) -> float:
    """Return e to the power of x, or of EXP_CAP if x is larger."""
    return math.exp(min(x, EXP_CAP))


_MONOTONE = {"sigmoid": sigmoid, "softplus": softplus, "exp": exp}


@lru_cache(maxsize=8192)
def growth_of(tree: Expression) -> int:
    """Return the power of the inputs that a tree grows with: 0 if it is bounded, 1 if it grows as they do."""
    if not tree.args:
        return int(tree.op != "number" and LEAVES[tree.op].of_token)
    powers = [growth_of(arg) for arg in tree.args]
    if tree.op in ("sigmoid", "exp", "softmax"):
        return 0
    return sum(powers) if tree.op in ("mul", "dot") else max(powers)


@lru_cache(maxsize=8192)
def fault_of(tree: Expression, opening: Opening) -> str:
    """Return why a tree can't fill an opening, in one line; "" if it can."""
    if strangers := ", ".join(sorted(tree.leaves - set(opening.leaves))):
        return f"{opening.title} can't read {strangers}, only {', '.join(opening.leaves)}"
    try:
        shape = shape_of(tree)
    except ValueError as error:
        return str(error)
    low, high = range_of(tree)
    reads = opening.needs in tree.leaves if opening.needs else is_of_token(tree)
    least, most, grows = opening.least, opening.most, growth_of(tree)
    fault = ""
    if tree.size > MAX_SIZE:
        fault = f"may have {MAX_SIZE} nodes, got {tree.size}"
    elif not reads:
        fault = f"must read {opening.needs or 'the token'}"
    elif shape not in opening.shapes:
        fault = f"has one value per {' or '.join(opening.shapes)}, got one per {shape}"
    elif low < least or high > most:
        fault = f"lies within [{least:g}, {most:g}], got [{low:g}, {high:g}]"
    elif grows > opening.growth:
        fault = f"may grow with power {opening.growth} of its inputs, got {grows}"
    return fault and f"{opening.title} {fault}"
