"""TPE: breeds many children of the best designs and proposes the one most typical of good designs.

A tree-structured Parzen estimator (Bergstra et al., 2011), whose densities are memory's (`memory.forecasts.parzen`).
Children of the best stand in for draws from the density of good designs: they obey the rules of the grammar.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion, draw_ancestors
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class TpeParameters(PolicyParameters):
    """Parameters of `tpe`."""

    best: int = Field(default=10, ge=1, le=50)
    """Ranks that parents come from."""
    references: int = Field(default=4, ge=0)
    """Further parents of the children of one slot."""
    children: int = Field(default=24, ge=2, le=500)
    """Designs that are bred for each that is proposed."""
    unranked: float = Field(default=0.1, ge=0, le=1)
    """Share of the slots that take the first child."""


class Tpe(SearchPolicy):
    """Ranks the children of the best by the ratio of two densities."""

    name = "tpe"
    summary = "breeds many children of the best designs and proposes the one most typical of good designs"
    Parameters = TpeParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw parents as `surrogate` does."""
        best = yield from suited(status.ranking[: self.parameters.best] or status.starting_points, status)
        parent, references = draw_ancestors(best, self.parameters.references, random)
        return Suggestion(
            parent,
            references,
            children=self.parameters.children,
            ranking="parzen",
            unranked=self.parameters.unranked,
        )


POLICY = Tpe
