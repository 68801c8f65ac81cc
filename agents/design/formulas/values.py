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
from functools import cache, cached_property, lru_cache, partial
from itertools import chain, permutations, product
from random import Random
from typing import TypeVar

from agents.design.formulas.expression import Expression, leaf, negative
from agents.design.formulas.openings import LEAVES, RIVALS
from agents.design.formulas.ranges import exp, sigmoid, softplus

FINGERPRINT_DIGITS = 10
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Sample:
    """Sequences that a formula is evaluated on."""

    steps: int
    channels: int
    scales: tuple[float, ...]
    """One sequence for each: leaves are normal with this deviation."""
    starts: tuple[float, float] | None = None
    """The ends that s0 starts between in training; None if it is normal too."""

    @cached_property
    def size(self) -> int:
        """Number of steps of all sequences."""
        return self.steps * len(self.scales)


OF_KEYS = Sample(3, 2, (0.5, 1.0, 3.0))
"""The sample of fingerprints."""
CONFIRMING = Sample(5, 6, (0.3, 1.0, 3.0, 10.0), starts=(2.0, 6.0))
"""The sample that confirms what the first one suggests."""


@lru_cache(maxsize=8192)
def values(tree: Expression, sample: Sample = OF_KEYS) -> tuple[float, ...]:
    """Return a tree's values by sequence, step and channel; finite for a tree that fits an opening."""
    return _widened(_evaluate(tree, sample), sample)


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
    flipped = [name for name in sorted(tree.leaves) if signs and LEAVES[name].symmetric]
    for chosen in product(*choices):
        new = {old: leaf(name) for old, name in zip(chain(*used), chain(*chosen), strict=True) if old != name}
        ways = [(new.get(name), negative(new.get(name, leaf(name)))) for name in flipped]
        for signed in product(*ways):
            yield tree.substituted(new | {name: one for name, one in zip(flipped, signed, strict=True) if one})


def _digest(tree: Expression) -> str:
    digits = tuple(f"{round(value, 9) + 0.0:.6g}" for value in _evaluate(tree, OF_KEYS))
    return hashlib.sha256(",".join(_widened(digits, OF_KEYS)).encode()).hexdigest()[:FINGERPRINT_DIGITS]


@cache
def _values_of_leaf(name: str, sample: Sample) -> tuple[float, ...]:
    """Return a leaf's fixed random values."""
    about = LEAVES[name]
    channels = sample.channels if about.shape in ("key", "value") else 1
    rows: list[list[float]] = []
    for scale in sample.scales:
        random = Random(f"{name} {scale}")
        ends = sample.starts if name == "s0" else None
        draw = partial(random.uniform, *ends) if ends else partial(random.gauss, 0, scale)
        drawn = [[draw() for _ in range(channels)] for _ in range(sample.steps)]
        rows += drawn if about.of_token else [drawn[0]] * sample.steps
    return tuple(chain.from_iterable(rows))


@lru_cache(maxsize=8192)
def _evaluate(tree: Expression, sample: Sample) -> tuple[float, ...]:
    """Return a tree's values by sequence, step and channel; one channel stands for all of them."""
    if not tree.args:
        return (tree.value,) * sample.size if tree.op == "number" else _values_of_leaf(tree.op, sample)
    args = [_evaluate(arg, sample) for arg in tree.args]
    if tree.op in _OF_ONE:
        return tuple(map(_OF_ONE[tree.op], args[0]))
    if tree.op in _OF_MANY:
        is_wide = any(len(arg) > sample.size for arg in args)
        return tuple(
            map(_OF_MANY[tree.op], zip(*(_widened(arg, sample) if is_wide else arg for arg in args), strict=True))
        )
    rows = [_by_step(arg, sample) for arg in args]
    if tree.op == "mean":
        return tuple(chain.from_iterable(_means(rows[0], sample.steps)))
    return tuple(chain.from_iterable(map(_OVER_CHANNELS[tree.op], *rows)))


def _widened(found: tuple[Value, ...], sample: Sample) -> tuple[Value, ...]:
    """Return values with every channel, whether or not one stands for all of them."""
    if len(found) > sample.size:
        return found
    return tuple(value for value in found for _ in range(sample.channels))


def _by_step(found: tuple[float, ...], sample: Sample) -> list[tuple[float, ...]]:
    """Return values as one row of channels for each step of each sequence."""
    channels = len(found) // sample.size
    return [found[start : start + channels] for start in range(0, len(found), channels)]


def _means(rows: list[tuple[float, ...]], steps: int) -> Iterator[list[float]]:
    """Yield the mean of every channel over the steps so far."""
    for index in range(len(rows)):
        past = rows[index - index % steps : index + 1]
        yield [math.fsum(channel) / len(past) for channel in zip(*past, strict=True)]


def _softmax(row: tuple[float, ...]) -> list[float]:
    powers = [math.exp(x - max(row)) for x in row]
    return [power / math.fsum(powers) for power in powers]


_OF_ONE: Mapping[str, Callable[[float], float]] = {
    "sigmoid": sigmoid,
    "softplus": softplus,
    "exp": exp,
    "relu": lambda x: max(0.0, x),
}
_OF_MANY: Mapping[str, Callable[[tuple[float, ...]], float]] = {"add": math.fsum, "mul": math.prod}
_OVER_CHANNELS: Mapping[str, Callable[..., list[float]]] = {
    "softmax": _softmax,
    "norm": lambda row: [math.hypot(*row)],
    "dot": lambda x, y: [math.fsum(a * b for a, b in zip(x, y, strict=True))],
}
"""Every primitive but `mean`: of a value, of the values in one place, or of the channels of one step."""
