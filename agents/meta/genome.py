"""The genome of a researcher program: its parts, each a choice among few values.

Every parameter has a short list of values (`CHOICES`), so a genome can be drawn, varied and compared. Different genomes
may search alike: a size that nothing reads, or factors that differ by a constant. `canonical` returns the one form of
such genomes, and `digest` is a hash of that form.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from bus.vocabulary.events import Record
from bus.wire.ids import derive

FACTORS = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Factors on the chances of operators, relative to the largest."""

Choices = Mapping[str, tuple[Any, ...]]
"""Parameter → its values."""


class Part(Record):
    """A part of a program."""

    CHOICES: ClassVar[Choices]
    """The values of every parameter; numbers in ascending order."""


class Selection(Part):
    """Which member of the population becomes the parent."""

    CHOICES: ClassVar[Choices] = {"kind": ("uniform", "rank", "tournament"), "size": (1, 2, 3, 5, 10, 20, 50)}

    kind: Literal["uniform", "rank", "tournament"] = "uniform"
    """Evenly among the best; among the best, in proportion to 1 / rank; or the best of a random sample."""
    size: int = Field(default=5, ge=1, le=50)
    """The number of the best, or of draws of the sample."""


class Population(Part):
    """Which results may become parents: the acceptance rule."""

    CHOICES: ClassVar[Choices] = {"kind": ("elitist", "aging", "threshold", "grid"), "size": (5, 10, 20, 30, 50)}

    kind: Literal["elitist", "aging", "threshold", "grid"] = "elitist"
    """The best results; the newest ones; the best share of all; or the best of each kind of design."""
    size: int = Field(default=50, ge=1, le=50)
    """The number of results, or the share in percent. A grid has no size."""


class OperatorMix(Part):
    """How often each operator breeds the design: factors on its usual chance."""

    CHOICES: ClassVar[Choices] = {"mutate": FACTORS, "crossover": FACTORS, "scratch": FACTORS}

    mutate: float = Field(default=1.0, ge=0, le=1)
    """Factor on the chance of a small change."""
    crossover: float = Field(default=1.0, ge=0, le=1)
    """Factor on the chance of parts of two designs."""
    scratch: float = Field(default=1.0, ge=0, le=1)
    """Factor on the chance of a fresh design."""


class Mates(Part):
    """Which archive the other ancestors come from."""

    CHOICES: ClassVar[Choices] = {"kind": ("best", "newest", "grid"), "size": (5, 10, 20, 50), "count": (0, 1, 2, 4, 8)}

    kind: Literal["best", "newest", "grid"] = "best"
    """The best results, the newest ones, or the best of each kind of design."""
    size: int = Field(default=20, ge=1, le=50)
    """The number of results. A grid has no size."""
    count: int = Field(default=2, ge=0, le=8)
    """Mates of one design."""


class BudgetSplit(Part):
    """How many designs are drawn afresh, and when."""

    CHOICES: ClassVar[Choices] = {
        "opening": (0, 5, 10, 20, 30, 50, 100),
        "patience": (0, 10, 20, 40),
        "restart": (1, 2, 5),
    }

    opening: int = Field(default=0, ge=0, le=100)
    """Share of the campaign, in percent, that opens it with random draws."""
    patience: int = Field(default=0, ge=0, le=200)
    """Results without a new best after which a restart begins; 0 for no restarts."""
    restart: int = Field(default=1, ge=1, le=20)
    """Random draws of a restart."""


class Brood(Part):
    """How many children compete to be proposed."""

    CHOICES: ClassVar[Choices] = {
        "ranking": ("none", "parzen"),
        "children": (2, 4, 8, 16),
        "unranked": (0, 10, 25),
    }

    ranking: Literal["none", "parzen"] = "none"
    """No competition, or by how typical of good designs a child is."""
    children: int = Field(default=8, ge=2, le=64)
    """Children of one slot."""
    unranked: int = Field(default=10, ge=0, le=100)
    """Share of the slots, in percent, that take the first child all the same."""


class Genome(Record):
    """A researcher program as its parts."""

    selection: Selection = Selection()
    """Which member of the population becomes the parent."""
    population: Population = Population()
    """Which results may become parents."""
    operators: OperatorMix = OperatorMix()
    """How often each operator breeds."""
    mates: Mates = Mates()
    """Where the other ancestors come from."""
    budget: BudgetSplit = BudgetSplit()
    """How many designs are drawn afresh."""
    brood: Brood = Brood()
    """How many children compete."""

    def canonical(self) -> "Genome":
        """Return the one form of all genomes that search as this one does."""
        mates, operators = self._mates(), _scaled(self.operators)
        if mates.count == 0 and operators.scratch == 0:
            operators = OperatorMix(mutate=1.0, crossover=0.0, scratch=0.0)  # a crossover without mates is a mutation
        draws_alone = operators.mutate == operators.crossover == 0 and self.brood.ranking == "none"
        if self.budget.opening == 100 or draws_alone:
            return Genome(budget=BudgetSplit(opening=100))
        selection = self._selection()
        return Genome(
            selection=selection,
            population=self._population(selection),
            operators=operators,
            mates=mates,
            budget=self.budget if self.budget.patience else BudgetSplit(opening=self.budget.opening),
            brood=self.brood if self.brood.ranking != "none" else Brood(),
        )

    def digest(self) -> str:
        """Return 32 hex digits that canonical forms share exactly if they are equal."""
        return derive("genome", json.dumps(self.canonical().model_dump(mode="json"), sort_keys=True))

    def _selection(self) -> Selection:
        """Return the selection, without ranks that the population lacks."""
        kind, size, bounded = self.selection.kind, self.selection.size, self.population.kind in {"elitist", "aging"}
        if kind == "tournament" and bounded and 1 in {size, self.population.size}:
            kind, size = "uniform", self.population.size  # one draw, or one member
        if bounded and kind != "tournament":
            size = min(size, self.population.size)
        return Selection(kind="uniform" if size == 1 and kind == "rank" else kind, size=size)

    def _population(self, selection: Selection) -> Population:
        """Return the population; of the best ones, no more than the selection reads."""
        best_alone = selection.size == 1 and selection.kind == "uniform"
        if self.population.kind == "elitist" and selection.kind != "tournament":
            return Population(kind="elitist", size=selection.size)
        if self.population.kind in {"grid", "threshold"} and best_alone:
            return Population(kind="elitist", size=1)
        return Population(kind="grid") if self.population.kind == "grid" else self.population

    def _mates(self) -> Mates:
        """Return the mates: none if nothing reads them. Children that compete are bred from each mate in turn."""
        if self.mates.count == 0 or (self.operators.crossover == 0 < self._others() and self.brood.ranking == "none"):
            return Mates(count=0)
        return Mates(kind="grid", count=self.mates.count) if self.mates.kind == "grid" else self.mates

    def _others(self) -> float:
        """Return the factors of the operators that need no mate; without any factor all have their usual chances."""
        return self.operators.mutate + self.operators.scratch


PARTS: Mapping[str, type[Part]] = {
    "selection": Selection,
    "population": Population,
    "operators": OperatorMix,
    "mates": Mates,
    "budget": BudgetSplit,
    "brood": Brood,
}
"""Every part of a genome by its name."""


def _scaled(mix: OperatorMix) -> OperatorMix:
    """Return the factors relative to the largest; without any, the operators have their usual chances."""
    largest = max(mix.mutate, mix.crossover, mix.scratch)
    if largest == 0:
        return OperatorMix()
    return OperatorMix(mutate=mix.mutate / largest, crossover=mix.crossover / largest, scratch=mix.scratch / largest)
