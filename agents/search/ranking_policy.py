"""What policies that learn have in common: they breed many children of the best designs and propose one of them.

Memory's models rank the children (`bus.vocabulary.queries.forecast`). A share of the slots takes the first child as it
comes, so that the models also see designs that they would not have chosen.
"""

from abc import abstractmethod
from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion, draw_ancestors
from bus.delivery.role import Subdecision
from bus.vocabulary.events import Ranking
from bus.vocabulary.queries import CampaignStatus


class RankingParameters(PolicyParameters):
    """Parameters of a policy that ranks children."""

    best: int = Field(default=10, ge=1, le=50)
    """Ranks that parents come from."""
    references: int = Field(default=4, ge=0)
    """Further parents of the children of one slot."""
    children: int = Field(default=24, ge=2, le=500)
    """Designs that are bred for each that is proposed."""
    unranked: float = Field(default=0.1, ge=0, le=1)
    """Share of the slots that take the first child."""
    restart_below: float = Field(default=0.0, ge=0)
    """Expected improvement of the best child, in standard deviations of the results, below which designs from scratch
    are ranked instead; only with `ranking="improvement"`."""
    warm_up: int = Field(default=0, ge=0)
    """Analysed experiments, baselines included, until which every slot takes the first child."""
    crossover: float = Field(default=1.0, ge=0)
    """Factor on the chance that a child is a crossover."""
    scratch: float = Field(default=1.0, ge=0)
    """Factor on the chance that a child is drawn from scratch."""


class RankingPolicy(SearchPolicy):
    """Has children of the best ranked."""

    Parameters = RankingParameters

    @property
    @abstractmethod
    def ranking(self) -> Ranking:
        """How the children are ranked."""

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw parents among the best, those that suit people's wishes best; else baselines or imported ones."""
        best = yield from suited(status.ranking[: self.parameters.best] or status.starting_points, status)
        parent, references = draw_ancestors(best, self.parameters.references, random)
        return Suggestion(
            parent,
            references,
            self._preferences(),
            children=self.parameters.children,
            ranking=None if status.analysed < self.parameters.warm_up else self.ranking,
            unranked=self.parameters.unranked,
            restart_below=self.parameters.restart_below,
        )

    def _preferences(self) -> dict[str, float]:
        """Return the factors on operators that are not 1."""
        factors = {"crossover": self.parameters.crossover, "scratch": self.parameters.scratch}
        return {operator: factor for operator, factor in factors.items() if factor != 1}
