"""Random: every design from scratch, from the same grammar and through the same filters as any other.

The control that a guided search has to beat.
"""

from random import Random

from typing_extensions import override

from agents.search.policy import SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class RandomDesigns(SearchPolicy):
    """Suggests no parent."""

    name = "random"
    summary = "draws every design from scratch"

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        yield from ()
        return Suggestion()


POLICY = RandomDesigns
