"""Halving: shares slots among families of designs, and gives up the worse half of them after every round.

Successive halving (Jamieson and Talwalkar, 2016, arXiv 1502.07943) with experiments as the budget: a bracket begins
with fresh designs; each round derives as many again from the better half of the bracket's designs, until one is left.
The position in a bracket follows from the number of analyses, so there is no state.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskAnalysed, CampaignStatus, Experiments


class HalvingParameters(PolicyParameters):
    """Parameters of `halving`."""

    halvings: int = Field(default=4, ge=1, le=8)
    """Rounds after the fresh designs of a bracket; a round has two to this power slots."""


class Halving(SearchPolicy):
    """Draws a parent among the survivors of a round."""

    name = "halving"
    summary = "derives designs from ever fewer of a bracket's best (successive halving)"
    Parameters = HalvingParameters

    @classmethod
    @override
    def sized_for(cls, experiments: int, baselines: int) -> HalvingParameters:
        """Return brackets of which a campaign holds two at least, if they can be so small."""
        fitting = [halvings for halvings in range(1, 5) if 2 * (halvings + 1) * 2**halvings <= experiments]
        return HalvingParameters(halvings=max(fitting, default=1))

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a parent among the bracket's best; of those, one that suits people's wishes best."""
        width, rounds = 2**self.parameters.halvings, self.parameters.halvings + 1
        place = status.analysed % (width * rounds)
        if place < width:
            return Suggestion()
        bracket: Experiments = yield AskAnalysed(campaign=status.campaign, at=status.last_seq, newest=place)
        survivors = [row.id for row in bracket.rows[: width >> (place // width)]]
        parents = yield from suited(survivors, status)
        return Suggestion(random.choice(parents) if parents else None, preferences={"scratch": 0.0})


POLICY = Halving
