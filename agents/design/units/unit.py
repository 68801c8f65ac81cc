"""What the grammar's tables are made of: a unit is one choice on one axis, with its code, its words and its reason.

Code templates are plain text with slots in braces. `{p}` is the prefix that keeps the paths of one design apart
(`memory_`, `window_`; empty where there is one path); the other slots are filled by the path's other units, so that a
unit needs to know nothing of its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Unit:
    """One choice on an axis."""

    key: str
    """How designs and JSON spell it."""
    gist: str
    """What it is, as a noun phrase for people."""
    why: str = ""
    """Why one would take it, as a sentence without its full stop; novelty of motivations lives on it."""
    tag: str = ""
    """Its part of a design's name; empty where a name does not mention it."""
    weight: float = 1.0
    """How often a draw takes it, relative to the axis's other units."""
    init: str = ""
    """Lines for `__init__`."""
    forward: str = ""
    """Lines for the forward pass."""
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What it fills into the other units' templates."""


@dataclass(frozen=True)
class Axis:
    """A question that every design of a kind answers with one unit."""

    name: str
    """Field name in the design."""
    gist: str
    """What is decided here, for people."""
    units: tuple[Unit, ...]
    """The possible answers; the first is the plain one."""
    weight: float = 1.0
    """How often a mutation turns to this axis."""

    @property
    def plain(self) -> str:
        """Key of the first unit."""
        return self.units[0].key

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of all units, in order."""
        return tuple(unit.key for unit in self.units)

    @cached_property
    def _by_key(self) -> dict[str, Unit]:
        return {unit.key: unit for unit in self.units}

    def __getitem__(self, key: str) -> Unit:
        """Return the unit of that key; ValueError where there is none."""
        unit = self._by_key.get(key)
        if unit is None:
            raise ValueError(f"unknown {self.name} {key!r}, expected one of {', '.join(self.keys)}")
        return unit


@dataclass(frozen=True)
class Rule:
    """Two or more axes that cannot be chosen freely of each other."""

    when: Mapping[str, frozenset[str]]
    """Where every one of these axes has one of these keys ..."""
    then: Mapping[str, frozenset[str]]
    """... every one of these must have one of those."""
    because: str
    """The reason, as the end of an error message."""

    @property
    def axes(self) -> frozenset[str]:
        """The axes it ties together."""
        return frozenset(self.when) | frozenset(self.then)

    def broken_by(self, choices: Mapping[str, str]) -> bool:
        """Whether these choices (axis to key) violate it."""
        applies = all(choices[axis] in keys for axis, keys in self.when.items())
        return applies and any(choices[axis] not in keys for axis, keys in self.then.items())


def rule(because: str, *, when: Mapping[str, str], then: Mapping[str, str]) -> Rule:
    """Return a rule from space-separated keys: `rule("...", when={"update": "delta"}, then={"norm": "l2"})`."""
    spread = ({axis: frozenset(keys.split()) for axis, keys in side.items()} for side in (when, then))
    return Rule(*spread, because=because)


def axis(name: str, gist: str, *units: Unit, weight: float = 1.0) -> Axis:
    """Return an axis from its units, the plain one first."""
    return Axis(name, gist, units, weight)


def check_choices(choices: Mapping[str, str], axes: tuple[Axis, ...], rules: tuple[Rule, ...]) -> None:
    """Refuse unknown units and broken rules: a ValueError that names the choice, what it needs and why."""
    for axis in axes:
        axis[choices[axis.name]]
    for rule in rules:
        if rule.broken_by(choices):
            given = " and ".join(f"{name} {choices[name]!r}" for name in sorted(rule.when))
            wanted = ", ".join(f"{name} in {{{', '.join(sorted(keys))}}}" for name, keys in sorted(rule.then.items()))
            raise ValueError(f"{given} needs {wanted}: {rule.because}")
