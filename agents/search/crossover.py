"""Crossover: joins parts of good designs, and mutates seldom.

A genetic algorithm whose main operator is recombination (Holland, 1975): what pays in it are units that do well
together, found in different designs.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion, draw_ancestors
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class CrossoverParameters(PolicyParameters):
    """Parameters of `crossover`."""

    best: int = Field(default=12, ge=2, le=50)
    """Ranks that parents and mates come from."""
    mates: int = Field(default=3, ge=1)
    """Mates of a parent, of which a crossover takes one."""
    factor: float = Field(default=6.0, gt=0)
    """Factor on the chance of a crossover."""


class Crossover(SearchPolicy):
    """Draws several of the best and prefers to join them."""

    name = "crossover"
    summary = "joins parts of the best designs, and mutates seldom"
    Parameters = CrossoverParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a parent and mates among the best, those that suit people's wishes best; else among the baselines."""
        best = yield from suited(status.ranking[: self.parameters.best] or status.starting_points, status)
        parent, mates = draw_ancestors(best, self.parameters.mates, random)
        return Suggestion(parent, mates, preferences={"crossover": self.parameters.factor, "scratch": 0.0})


POLICY = Crossover
