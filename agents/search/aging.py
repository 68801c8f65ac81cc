"""Aging evolution: mutates the winner of a tournament among the newest results; the oldest leave the population.

Regularised evolution of Real et al. (2018, arXiv 1802.01548), the common reference on published tables. The population
is the newest analysed experiments, so the log itself holds the state. A lucky score leaves with age, however good.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskAnalysed, CampaignStatus, Experiments


class AgingParameters(PolicyParameters):
    """Parameters of `aging`."""

    population: int = Field(default=20, ge=1)
    """Newest analysed experiments that may become parents; until there are so many, designs are drawn afresh."""
    sample: int = Field(default=10, ge=1)
    """Experiments of a tournament, whose best is the parent."""


class Aging(SearchPolicy):
    """Draws a few of the newest results and mutates the best of them."""

    name = "aging"
    summary = "mutates the best of a sample of the newest results (aging evolution)"
    Parameters = AgingParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        if status.analysed < self.parameters.population:
            return Suggestion()
        newest: Experiments = yield AskAnalysed(
            campaign=status.campaign, at=status.last_seq, newest=self.parameters.population
        )
        ranked = [row.id for row in newest.rows]
        drawn = random.sample(range(len(ranked)), min(self.parameters.sample, len(ranked)))
        parents = yield from suited([ranked[rank] for rank in sorted(drawn)], status)
        return Suggestion(next(iter(parents), None), preferences={"crossover": 0.0, "scratch": 0.0})


POLICY = Aging
