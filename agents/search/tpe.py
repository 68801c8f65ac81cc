"""TPE: breeds many children of the best designs and proposes the one most typical of good designs.

A tree-structured Parzen estimator (Bergstra et al., 2011), whose densities are memory's (`memory.forecasts.parzen`).
Children of the best stand in for draws from the density of good designs: they obey the rules of the grammar.
"""

from typing_extensions import override

from agents.search.ranking_policy import RankingPolicy
from bus.vocabulary.events import Ranking


class Tpe(RankingPolicy):
    """Ranks the children of the best by the ratio of two densities."""

    name = "tpe"
    summary = "breeds many children of the best designs and proposes the one most typical of good designs"

    @property
    @override
    def ranking(self) -> Ranking:
        return "parzen"


POLICY = Tpe
