"""The protocol of a design space: what designs are, and how they are drawn and varied.

The lab searches one space, the mixer grammar (`agents.search.spaces.mixers`). Tables of published searches are others:
with one in the trainer's place, the same director, researcher and policies are measured on them.

A space is pure. Every draw comes from the generator that it is given, so one seed gives one sequence of designs. Goal,
papers and people shift draws in the mixer grammar alone; every other space ignores the bias.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, ClassVar

from pydantic import JsonValue

from agents.design import NEUTRAL, Bias, Variation
from agents.design.operators import drawn_operator
from agents.design.variation import Change


@dataclass(frozen=True, slots=True)
class Founder:
    """A design that opens a campaign: in the mixer grammar, one of a human."""

    name: str
    """Its name in CampaignStarted."""
    design: Any
    """The design; None for a source that is no design of the space."""
    motivation: str
    """Why one would begin with it."""
    source: str
    """What goes into ProposalCreated."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How far the mixer grammar reaches in a campaign; other spaces ignore it."""

    formulas: float = 0.0
    """Share of ideas that get a new formula."""
    normal_forms: bool = False
    """Whether designs of one function are proposed in one form."""
    coined: tuple[str, ...] = ()
    """Formulas that are drawn as units, as `axis:key`."""
    wished: bool = False
    """Whether normal forms and coined formulas count under a person's wish too."""


NAMED_UNITS = Grammar()
"""The grammar of named units alone, as in logs without the settings of `Grammar`."""


class DesignSpace(ABC):
    """A set of designs. They compare and hash by value, and have one JSON form each."""

    name: ClassVar[str]
    """Name in CampaignStarted."""
    summary: ClassVar[str]
    """What its designs are, in a few words."""

    @abstractmethod
    def founder(self, name: str) -> Founder | None:
        """Return the design that a campaign's baseline of this name stands for; None if there is none."""

    @abstractmethod
    def random(self, random: Random) -> Any:
        """Return a design drawn from the whole space."""

    @abstractmethod
    def mutate(self, design: Any, random: Random) -> Any:
        """Return a design with a small change, never the same one."""

    @abstractmethod
    def crossover(self, a: Any, b: Any, random: Random) -> Any:
        """Return a design with parts of both."""

    @abstractmethod
    def to_json(self, design: Any) -> dict[str, JsonValue]:
        """Return the JSON form that events carry."""

    @abstractmethod
    def from_json(self, value: object) -> Any:
        """Return the design of a JSON form. Raises ValueError if it is none of this space."""

    @abstractmethod
    def axes(self, design: Any) -> dict[str, str | int]:
        """Return the choice on every axis that the design has; equal designs have equal ones."""

    @abstractmethod
    def behaviour(self, design: Any) -> tuple[str, ...]:
        """Return the cell of a design in an archive of diverse designs: two or three coarse properties."""

    @abstractmethod
    def source(self, design: Any) -> str:
        """Return what goes into ProposalCreated: equal exactly for equal designs."""

    def label(self, design: Any) -> str:
        """Return a short readable name: by default, the choices."""
        return "·".join(str(choice) for choice in self.axes(design).values())

    def vary(
        self,
        parent: Any | None,
        mates: Sequence[Any],
        random: Random,
        preferences: Mapping[str, float],
        bias: Bias = NEUTRAL,  # noqa: ARG002  (for the mixer grammar)
        grammar: Grammar = NAMED_UNITS,  # noqa: ARG002  (the same)
    ) -> Variation:
        """Return the parent varied by one of the operators, drawn in their proportions; a fresh design without one."""
        others = [mate for mate in mates if mate != parent]
        operator = "scratch" if parent is None else drawn_operator(random, preferences)
        if operator == "scratch":
            return Variation(self.random(random), operator, partial(Change, "drawn afresh"))
        if operator == "crossover" and others:
            child = self.crossover(parent, random.choice(others), random)
            if child not in (parent, *others):
                return Variation(child, operator, partial(self._change, parent, child))
        child = self.mutate(parent, random)
        return Variation(child, "mutate", partial(self._change, parent, child))

    def motivation(self, variation: Variation, parent: Any | None, heeded: Sequence[str]) -> str:  # noqa: ARG002
        """Return why the design should work, in words; `heeded` are people's messages that had an effect."""
        return f"{self.label(variation.design)}: {variation.change}"

    def _change(self, old: Any, new: Any) -> Change:
        """Return the choices that differ, in words."""
        before, after = self.axes(old), self.axes(new)
        return Change(", ".join(f"{axis} {choice}" for axis, choice in after.items() if before.get(axis) != choice))
