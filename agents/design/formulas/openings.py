"""The openings of the grammar: the axes that a formula may fill, with its leaves, its shape and its range.

A formula sees one step: projections of the token, learned numbers, and the query, key, value and read of its head. What
reaches the recurrence stays q, k, v, log_decay and beta, so every opening runs on the fast kernels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

Shape = Literal["number", "head", "key", "value"]
"""What a value has per step: one number, one a head, one a key channel, or one a value channel."""


@dataclass(frozen=True)
class Leaf:
    """What a formula may read."""

    shape: Shape
    of_token: bool
    """Whether it changes from step to step."""
    symmetric: bool
    """Whether training starts from both signs alike, so that x and -x make the same formula."""
    words: str
    """It in a formula for people."""


LEAVES: Mapping[str, Leaf] = MappingProxyType({
    "h0": Leaf("head", of_token=True, symmetric=True, words="w x_t"),
    "h1": Leaf("head", of_token=True, symmetric=True, words="w′ x_t"),
    "c0": Leaf("key", of_token=True, symmetric=True, words="U V x_t"),
    "g0": Leaf("value", of_token=True, symmetric=True, words="W x_t"),
    "a0": Leaf("head", of_token=False, symmetric=True, words="a"),
    "s0": Leaf("head", of_token=False, symmetric=False, words="b"),
    "z": Leaf("key", of_token=True, symmetric=False, words="z"),
    "q": Leaf("key", of_token=True, symmetric=False, words="q_t"),
    "k": Leaf("key", of_token=True, symmetric=False, words="k_t"),
    "v": Leaf("value", of_token=True, symmetric=False, words="v_t"),
    "r": Leaf("value", of_token=True, symmetric=False, words="r_t"),
})  # fmt: skip
"""Every leaf: two projections to heads, a low-rank one to key channels, one to value channels, a learned number per
head that starts at 0, one that starts at 6 ... 2 (horizons of 400 to 8 steps), then the step's own vectors."""
RIVALS = (("h0", "h1"),)
"""Leaves that differ in name only."""


@dataclass(frozen=True, eq=False)
class Opening:
    """An axis that a formula may fill."""

    axis: str
    title: str
    """What the formula is, as a noun phrase."""
    leaves: tuple[str, ...]
    """What it may read, the likeliest first."""
    shapes: tuple[Shape, ...]
    """Shapes that its value may have."""
    least: float = -inf
    most: float = inf
    """Range of its values."""
    growth: int = 2
    """Highest power of the inputs that it may grow with."""
    needs: str = ""
    """A leaf that it must contain; empty if any leaf of the token will do."""
    left: str = ""
    """What it defines, for people."""
    absorbs_factor: bool = True
    """Whether a norm or a projection behind it takes up a constant factor of the whole formula."""


_ALL = (
    Opening("decay", "a decay", ("h0", "s0", "a0", "c0", "h1", "k", "v", "q"), ("head", "key"), most=0.0,
            left="log γ_t", absorbs_factor=False),
    Opening("update", "a write strength", ("h0", "a0", "k", "h1", "v", "q"), ("head",), 0.0, 2.0, left="β_t",
            absorbs_factor=False),
    Opening("feature", "a feature map", ("z", "a0"), ("key",), needs="z", left="φ(z)"),
    Opening("value", "a value transform", ("v", "h0", "a0", "k", "q"), ("value",), needs="v", left="ṽ_t"),
    Opening("read", "a read-out", ("r", "h0", "a0", "v", "q", "k"), ("value",), needs="r", left="o_t"),
    Opening("gate", "an output gate", ("g0", "h0", "a0", "r"), ("head", "value"), growth=1, left="gate_t"),
)  # fmt: skip

OPENINGS: Mapping[str, Opening] = MappingProxyType({opening.axis: opening for opening in _ALL})
"""Every opening by its axis. The range of `update` is what the delta rule's kernels allow for keys of unit length."""


def opening_of(axis: str) -> Opening:
    """Return the opening of an axis. Raises ValueError if a formula can't fill it."""
    if axis not in OPENINGS:
        raise ValueError(f"{axis} takes no formula, only {', '.join(OPENINGS)} do")
    return OPENINGS[axis]
