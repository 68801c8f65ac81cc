"""Surrogate: breeds many children of the best designs and proposes the one that a model of the results favours.

The model is memory's (`bus.vocabulary.queries.forecast`): a Gaussian process and extremely randomised trees. A share of
the slots takes the first child as it comes, so that the model also sees designs that it would not have chosen.
"""

from random import Random
from typing import Literal

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion, draw_ancestors
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class SurrogateParameters(PolicyParameters):
    """Parameters of `surrogate`."""

    best: int = Field(default=10, ge=1, le=50)
    """Ranks that parents come from."""
    references: int = Field(default=4, ge=0)
    """Further parents of the children of one slot."""
    children: int = Field(default=24, ge=2, le=500)
    """Designs that are bred for each that is proposed."""
    ranking: Literal["improvement", "thompson"] = "improvement"
    """Whether the largest expected improvement wins, or the largest draw from the forecasts."""
    unranked: float = Field(default=0.1, ge=0, le=1)
    """Share of the slots that take the first child."""


class SurrogateSearch(SearchPolicy):
    """Ranks the children of the best by forecasts."""

    name = "surrogate"
    summary = "breeds many children of the best designs and proposes what a model of the results favours"
    Parameters = SurrogateParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw parents among the best, those that suit people's wishes best; else baselines or imported ones."""
        best = yield from suited(status.ranking[: self.parameters.best] or status.starting_points, status)
        parent, references = draw_ancestors(best, self.parameters.references, random)
        return Suggestion(
            parent,
            references,
            children=self.parameters.children,
            ranking=self.parameters.ranking,
            unranked=self.parameters.unranked,
        )


POLICY = SurrogateSearch
