"""A formula's value on sampled sequences, and the fingerprint by which equal functions are found.

A leaf has a fixed random value at every step and channel of a few short sequences. Two formulas that agree there to six
digits have one fingerprint. The leaves whose names or signs mean nothing are exchanged in every way, and the least of
all digests is the fingerprint.

The fingerprint is part of keys in logs, so its small sample stays, although it takes some unequal functions for one:
with two channels, softmax(z) + softmax(−z) is 1. Whoever draws a conclusion from it confirms it on a second sample, of
more channels and a wider range (`agree`).
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import chain, permutations, product
from random import Random

from agents.design.formulas.expression import Expression, leaf, negative
from agents.design.formulas.openings import LEAVES, RIVALS
from agents.design.formulas.ranges import exp, sigmoid, softplus

FINGERPRINT_DIGITS = 10


@dataclass(frozen=True, eq=False)
class Sample:
    """Sequences that a formula is evaluated on."""

    steps: int
    channels: int
    scales: tuple[float, ...]
    """One sequence for each: leaves are normal with this deviation."""
    starts: tuple[float, float] | None = None
    """The ends that s0 starts between in training; None if it is normal too."""


OF_KEYS = Sample(3, 2, (0.5, 1.0, 3.0))
"""The sample of fingerprints."""
CONFIRMING = Sample(5, 6, (0.3, 1.0, 3.0, 10.0), starts=(2.0, 6.0))
"""The sample that confirms what the first one suggests."""

Rows = list[list[float]]
"""Values by step and channel; one channel stands for all of them."""


@lru_cache(maxsize=8192)
def values(tree: Expression, sample: Sample = OF_KEYS) -> tuple[float, ...]:
    """Return a tree's values on every sequence, one after the other; finite for a tree that fits an opening."""
    rows = [row for scale in sample.scales for row in _evaluate(tree, scale, sample)]
    return tuple(value for row in rows for value in (row if len(row) == sample.channels else row * sample.channels))


def agree(a: Expression, b: Expression) -> bool:
    """Return whether two trees have the same values on the confirming sample, under some exchange of leaves."""
    expected = values(b, CONFIRMING)
    return any(all(map(_is_close, values(variant, CONFIRMING), expected)) for variant in variants(a))


def _is_close(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9)


@lru_cache(maxsize=8192)
def fingerprint(tree: Expression) -> str:
    """Return the hexadecimal fingerprint of a tree's function."""
    return min(_digest(variant) for variant in variants(tree))


def variants(tree: Expression, *, spare_names: bool = True, signs: bool = True) -> Iterator[Expression]:
    """Yield the tree with its leaves exchanged in every way that makes no difference to training.

    Without spare names, rivals take the first names of their group alone: among these is the first text of all. Without
    signs, no leaf changes its own.
    """
    used = [tuple(name for name in group if name in tree.leaves) for group in RIVALS]
    choices = [
        permutations(group if spare_names else group[: len(names)], len(names))
        for group, names in zip(RIVALS, used, strict=True)
    ]
    for chosen in product(*choices):
        new = dict(zip(chain(*used), map(leaf, chain(*chosen)), strict=True))
        flipped = [
            (name, new.get(name, leaf(name))) for name in sorted(tree.leaves) if signs and LEAVES[name].symmetric
        ]
        for signed in product(*(((name, one), (name, negative(one))) for name, one in flipped)):
            yield tree.substituted(new | dict(signed))


def _digest(tree: Expression) -> str:
    digits = ",".join(f"{round(value, 9) + 0.0:.6g}" for value in values(tree))
    return hashlib.sha256(digits.encode()).hexdigest()[:FINGERPRINT_DIGITS]


@cache
def _values_of_leaf(name: str, scale: float, sample: Sample) -> Rows:
    """Return a leaf's fixed random values."""
    about, random = LEAVES[name], Random(f"{name} {scale}")
    channels = sample.channels if about.shape in ("key", "value") else 1
    ends = sample.starts if name == "s0" else None
    draw = partial(random.uniform, *ends) if ends else partial(random.gauss, 0, scale)
    rows = [[draw() for _ in range(channels)] for _ in range(sample.steps)]
    return rows if about.of_token else [rows[0]] * sample.steps


@lru_cache(maxsize=8192)
def _evaluate(tree: Expression, scale: float, sample: Sample) -> Rows:
    if not tree.args:
        is_number = tree.op == "number"
        return [[tree.value]] * sample.steps if is_number else _values_of_leaf(tree.op, scale, sample)
    args = [_evaluate(arg, scale, sample) for arg in tree.args]
    if tree.op == "mean":
        return [_mean(args[0][: t + 1]) for t in range(sample.steps)]
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
