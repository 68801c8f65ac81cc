"""The elements of the grammar's tables: a unit is one choice on one axis, with its code, its words and its reason.

Code templates are plain text with slots in braces. `{p}` is the prefix that keeps the paths of one design apart, such
as `memory_`; it is empty if there is one path. The path's other units fill the other slots, so a unit needs to know
nothing about them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add

from agents.design.formulas.keys import formula_of
from bus.vocabulary.design_edits import FORMULA_MARK


@dataclass(frozen=True)
class Unit:
    """One choice on an axis."""

    key: str
    """Its name in designs and JSON."""
    gist: str
    """A noun phrase that describes it to people."""
    why: str = ""
    """Why one would choose it: a sentence without its full stop. Motivations quote it, so novelty depends on it."""
    tag: str = ""
    """Its part of a design's name; empty if a name does not mention it."""
    weight: float = 1.0
    """How often a draw chooses it, relative to the axis's other units."""
    init: str = ""
    """Lines for `__init__`."""
    forward: str = ""
    """Lines for the forward pass."""
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Values that it fills into the other units' templates."""


@dataclass(frozen=True)
class Axis:
    """A question that every design of a kind answers with one unit."""

    name: str
    """The field's name in a path or a design."""
    gist: str
    """A noun phrase that describes the question to people."""
    units: tuple[Unit, ...]
    """The possible answers; the first is the plain one."""
    weight: float = 1.0
    """How often a mutation changes this axis, relative to the other axes."""
    formula: "Callable[[str, str], Unit] | None" = None
    """Returns the unit of a formula from axis and key, on an axis that formulas may fill (`agents.design.formulas`)."""

    @cached_property
    def is_closed(self) -> bool:
        """Whether there is a choice between named units; without one, only formulas differ from the plain unit."""
        return len(self.units) > 1

    @cached_property
    def plain(self) -> str:
        """Key of the first unit."""
        return self.units[0].key

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of all units, in order."""
        return tuple(unit.key for unit in self.units)

    @cached_property
    def others(self) -> dict[str, tuple[tuple[str, float], ...]]:
        """Key of a unit, or `=` for a formula, to all other units' keys with their parts of the axis' weight."""
        return {
            key: self._weighted([unit for unit in self.units if unit.key != key]) for key in (*self.keys, FORMULA_MARK)
        }

    def _weighted(self, units: list[Unit]) -> tuple[tuple[str, float], ...]:
        total = reduce(add, (unit.weight for unit in units), 0)  # sum() rounds otherwise from Python 3.12 on
        return tuple((unit.key, self.weight * unit.weight / total) for unit in units)

    @cached_property
    def _by_key(self) -> dict[str, Unit]:
        return {unit.key: unit for unit in self.units}

    def check(self, key: str) -> None:
        """Raise ValueError if no unit has that key; a formula's unit, with its code, is not made for it."""
        if self.formula and is_formula(key):
            formula_of(self.name, key)
        elif key not in self._by_key:
            raise ValueError(f"unknown {self.name} {key!r}, expected one of {', '.join(self.keys)}")

    def __getitem__(self, key: str) -> Unit:
        """Return the unit of that key. Raises ValueError if there is none."""
        self.check(key)
        return self.formula(self.name, key) if self.formula and is_formula(key) else self._by_key[key]


def is_formula(key: str) -> bool:
    """Return whether a key is that of a formula, not of a named unit."""
    return key.startswith(FORMULA_MARK)


@dataclass(frozen=True)
class Rule:
    """A tie between axes: some choices on one exclude choices on others. The key `=` stands for every formula."""

    when: Mapping[str, frozenset[str]]
    """If every one of these axes has one of these keys ..."""
    then: Mapping[str, frozenset[str]]
    """... then every one of these axes must have one of these keys."""
    because: str
    """The reason, as the end of an error message."""

    @property
    def axes(self) -> frozenset[str]:
        """The axes it ties together."""
        return frozenset(self.when) | frozenset(self.then)

    def broken_by(self, choices: Mapping[str, str]) -> bool:
        """Return whether these choices (axis to key) break the rule."""
        for axis, keys in self.when.items():  # all(...) takes twice as long, and a proposal checks thousands
            if choices[axis] not in keys and not _has_formula(keys, choices[axis]):
                return False
        return bool(self.wrong_axes(choices))

    def wrong_axes(self, choices: Mapping[str, str]) -> list[str]:
        """Return the axes whose choices the rule does not allow where it applies."""
        return [
            axis
            for axis, keys in self.then.items()
            if choices[axis] not in keys and not _has_formula(keys, choices[axis])
        ]


def _has_formula(keys: frozenset[str], key: str) -> bool:
    """Return whether a key is that of a formula and stands among the keys of a rule."""
    return FORMULA_MARK in keys and is_formula(key)


def rule(because: str, *, when: Mapping[str, str], then: Mapping[str, str]) -> Rule:
    """Return a rule from space-separated keys: `rule("...", when={"update": "delta"}, then={"norm": "l2"})`."""
    sides = ({axis: frozenset(keys.split()) for axis, keys in side.items()} for side in (when, then))
    return Rule(*sides, because=because)


def axis(
    name: str, gist: str, *units: Unit, weight: float = 1.0, formula: Callable[[str, str], Unit] | None = None
) -> Axis:
    """Return an axis from its units, the plain one first; `formula` makes the units of formulas."""
    return Axis(name, gist, units, weight, formula)


def check_choices(choices: Mapping[str, str], axes: tuple[Axis, ...], rules: tuple[Rule, ...]) -> None:
    """Raise a ValueError for an unknown unit, or for a broken rule with its choice, its demand and its reason."""
    for axis in axes:
        axis.check(choices[axis.name])
    for rule in rules:
        if rule.broken_by(choices):
            choice = " and ".join(f"{name} {choices[name]!r}" for name in sorted(rule.when))
            demand = ", ".join(f"{name} in {{{', '.join(sorted(keys))}}}" for name, keys in sorted(rule.then.items()))
            raise ValueError(f"{choice} needs {demand}: {rule.because}")
