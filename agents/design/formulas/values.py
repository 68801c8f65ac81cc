"""A formula's value on sampled sequences, and the fingerprint by which equal functions are found.

A leaf has a fixed random value at every step and channel of a few short sequences. Two formulas that agree there to six
digits are taken for one function. The leaves whose names or signs mean nothing are exchanged in every way, and the
least of all digests is the fingerprint.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import permutations, product
from random import Random

from agents.design.formulas.expression import Expression, leaf, negative
from agents.design.formulas.openings import LEAVES, RIVALS
from agents.design.formulas.ranges import exp, sigmoid, softplus

STEPS, CHANNELS = 3, 2
SCALES = (0.5, 1.0, 3.0)
"""One sequence for each: leaves are normal with this deviation."""
FINGERPRINT_DIGITS = 10

Rows = list[list[float]]
"""Values by step and channel; one channel stands for all of them."""


@lru_cache(maxsize=1024)
def values(tree: Expression) -> tuple[float, ...]:
    """Return a tree's values on every sequence, one after the other; finite for a tree that fits an opening."""
    rows = [row for scale in SCALES for row in _evaluate(tree, scale)]
    return tuple(value for row in rows for value in (row if len(row) == CHANNELS else row * CHANNELS))


@lru_cache(maxsize=1024)
def fingerprint(tree: Expression) -> str:
    """Return the hexadecimal fingerprint of a tree's function."""
    return min(_digest(variant) for variant in variants(tree))


def variants(tree: Expression) -> Iterator[Expression]:
    """Yield the tree with its leaves exchanged in every way that makes no difference to training."""
    used = sorted(tree.leaves)
    symmetric = [name for name in used if LEAVES[name].symmetric]
    rivals = [group for group in RIVALS if set(group) & set(used)]
    for orders in product(*(permutations(group) for group in rivals)):
        renamed = dict(
            pair for group, order in zip(rivals, orders, strict=True) for pair in zip(group, order, strict=True)
        )
        for signs in product((1, -1), repeat=len(symmetric)):
            yield tree.mapped(_exchange(renamed, {n for n, sign in zip(symmetric, signs, strict=True) if sign < 0}))


def _exchange(renamed: Mapping[str, str], flipped: set[str]) -> Callable[[str], Expression]:
    def exchanged(name: str) -> Expression:
        new = leaf(renamed.get(name, name))
        return negative(new) if name in flipped else new

    return exchanged


def _digest(tree: Expression) -> str:
    digits = ",".join(f"{round(value, 9) + 0.0:.6g}" for value in values(tree))
    return hashlib.sha256(digits.encode()).hexdigest()[:FINGERPRINT_DIGITS]


@cache
def _sample(name: str, scale: float) -> Rows:
    """Return a leaf's fixed random values."""
    about, random = LEAVES[name], Random(f"{name} {scale}")
    channels = CHANNELS if about.shape in ("key", "value") else 1
    rows = [[random.gauss(0, scale) for _ in range(channels)] for _ in range(STEPS)]
    return rows if about.of_token else [rows[0]] * STEPS


def _evaluate(tree: Expression, scale: float) -> Rows:
    if not tree.args:
        return [[tree.value]] * STEPS if tree.op == "number" else _sample(tree.op, scale)
    args = [_evaluate(arg, scale) for arg in tree.args]
    if tree.op == "mean":
        return [_mean(args[0][: t + 1]) for t in range(STEPS)]
    return [_AT_A_STEP[tree.op](*step) for step in zip(*args, strict=True)]


def _mean(steps: Rows) -> list[float]:
    return [math.fsum(channel) / len(steps) for channel in zip(*steps, strict=True)]


def _added(*rows: list[float]) -> list[float]:
    return [math.fsum(channel) for channel in zip(*_same_width(rows), strict=True)]


def _multiplied(*rows: list[float]) -> list[float]:
    return [math.prod(channel) for channel in zip(*_same_width(rows), strict=True)]


def _same_width(rows: tuple[list[float], ...]) -> list[list[float]]:
    width = max(map(len, rows))
    return [row * width if len(row) < width else row for row in rows]


def _softmax(row: list[float]) -> list[float]:
    powers = [math.exp(x - max(row)) for x in row]
    return [power / math.fsum(powers) for power in powers]


def _of_each(function: Callable[[float], float]) -> Callable[[list[float]], list[float]]:
    return lambda row: [function(x) for x in row]


_AT_A_STEP: Mapping[str, Callable[..., list[float]]] = {
    "add": _added,
    "mul": _multiplied,
    "sigmoid": _of_each(sigmoid),
    "softplus": _of_each(softplus),
    "exp": _of_each(exp),
    "relu": _of_each(lambda x: max(0.0, x)),
    "softmax": _softmax,
    "norm": lambda row: [math.hypot(*row)],
    "dot": lambda x, y: [math.fsum(a * b for a, b in zip(x, y, strict=True))],
}
"""Every primitive but `mean`, on the channels of one step."""
