"""Best of N: draws many designs from scratch for every slot, and proposes the one that forecasts favour.

It learns from results without deriving anything from them, so it shows what a model of the results is worth alone.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class BestOfNParameters(PolicyParameters):
    """Parameters of `best_of_n`."""

    designs: int = Field(default=32, ge=2, le=500)
    """Designs that are drawn for each that is proposed (N)."""
    unranked: float = Field(default=0.1, ge=0, le=1)
    """Share of the slots that take the first one, so that the model also sees what it would not choose."""


class BestOfN(SearchPolicy):
    """Suggests no parent and has the drawn designs ranked."""

    name = "best_of_n"
    summary = "draws many designs from scratch and proposes the one that a model of the results favours"
    Parameters = BestOfNParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        yield from ()
        return Suggestion(children=self.parameters.designs, ranking="improvement", unranked=self.parameters.unranked)


POLICY = BestOfN
