"""Surrogate: breeds many children of the best designs and proposes the one that a model of the results favours.

The model is a Gaussian process (`memory.forecasts.surrogate`).
"""

from typing import Literal

from typing_extensions import override

from agents.search.ranking_policy import RankingParameters, RankingPolicy
from bus.vocabulary.events import Ranking


class SurrogateParameters(RankingParameters):
    """Parameters of `surrogate`."""

    ranking: Literal["improvement", "thompson"] = "improvement"
    """Whether the largest expected improvement wins, or the largest draw from the forecasts."""


class SurrogateSearch(RankingPolicy):
    """Ranks the children of the best by forecasts."""

    name = "surrogate"
    summary = "breeds many children of the best designs and proposes what a model of the results favours"
    Parameters = SurrogateParameters

    @classmethod
    @override
    def sized_for(cls, experiments: int, baselines: int) -> SurrogateParameters:
        """Return more children than logs without the parameter have: a campaign of any size affords them."""
        return SurrogateParameters(children=40)

    @property
    @override
    def ranking(self) -> Ranking:
        return self.parameters.ranking


POLICY = SurrogateSearch
