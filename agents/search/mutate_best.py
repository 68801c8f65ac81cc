"""Mutate the best: one mutation of one of the best designs, nothing else.

The plain control that every cleverer policy has to beat.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class MutateBestParameters(PolicyParameters):
    """Parameters of `mutate_best`."""

    best: int = Field(default=5, ge=1, le=50)
    """Ranks that parents come from."""


class MutateBest(SearchPolicy):
    """Draws a parent from the best ranks and allows mutation alone."""

    name = "mutate_best"
    summary = "mutates one of the best designs, without crossover or restarts"
    Parameters = MutateBestParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a parent among the best, one that suits people's wishes best; else a baseline or an imported one."""
        parents = yield from suited(status.ranking[: self.parameters.best] or status.starting_points, status)
        parent = random.choice(parents) if parents else None
        return Suggestion(parent, preferences={"crossover": 0.0, "scratch": 0.0})


POLICY = MutateBest
