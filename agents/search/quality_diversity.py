"""Quality-diversity: keeps the best design of every kind, and varies one of them.

MAP-Elites (Mouret and Clune, 2015, arXiv 1504.04909). The space says what kinds there are (`DesignSpace.behaviour`): in
the mixer grammar the paths, which make most of the cost, and the size of the state. Selection is even over the kinds
and leans on none of them, so a kind that starts badly is not given up.
"""

from collections.abc import Iterable
from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, State, Suggestion, usable
from agents.search.space import DesignSpace
from agents.search.spaces import space_named
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskAnalysed, CampaignStatus, Experiment, Experiments


class QualityDiversityParameters(PolicyParameters):
    """Parameters of `quality_diversity`."""

    cold_start: int = Field(default=20, ge=0)
    """Analysed experiments before parents are drawn; until then designs are drawn afresh."""
    mates: int = Field(default=2, ge=0)
    """Other elites that a crossover may draw on."""


class QualityDiversity(SearchPolicy):
    """Holds an elite for each cell of a grid.

    The state is the grid, the number of analyses that it has seen, and the vetoes that were in force then, if any.
    """

    name = "quality_diversity"
    summary = "varies the best design of a kind drawn at random (MAP-Elites)"
    Parameters = QualityDiversityParameters

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return the grid with the analyses that it lacks.

        Decisions about several analyses may be under way at once, and a state be published before an earlier one. So
        each is made from all analyses after those that the state has seen. After a veto or a restoration, it is made
        from all there are: a cell gets its next best design, and its elite back.
        """
        elites, seen, vetoed = dict(state.get("elites", {})), int(state.get("seen", 0)), sorted(status.vetoed)
        if status.started is None or status.analysed <= seen:
            return None
        if vetoed != state.get("vetoed", []):
            seen = 0
        rows: Experiments = yield AskAnalysed(
            campaign=status.campaign, at=status.last_seq, newest=status.analysed - seen, ids=tuple(elites.values())
        )
        grid = _elites(rows.rows, space_named(status.started.space))
        in_force = {"vetoed": vetoed} if vetoed else {}
        return Renewal(status.analysed, {"elites": grid, "seen": status.analysed, **in_force})

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a cell, and the elites of other cells as mates."""
        elites = usable(tuple(state.get("elites", {}).values()), status)
        if status.analysed < self.parameters.cold_start or not elites:
            return Suggestion()
        parent = random.choice((yield from suited(elites, status)))
        others = [name for name in elites if name != parent]
        mates = tuple(random.sample(others, min(self.parameters.mates, len(others))))
        return Suggestion(parent, mates, preferences={"scratch": 0.0})


def _elites(best_first: Iterable[Experiment], space: DesignSpace) -> dict[str, str]:
    """Return the best experiment of every cell, by the cell's name."""
    grid: dict[str, str] = {}
    for row in best_first:
        try:
            cell = "|".join(space.behaviour(space.from_json(row.design)))
        except ValueError:  # a person's source without a design, or a design of another version of the grammar
            continue
        grid.setdefault(cell, row.id)
    return grid


POLICY = QualityDiversity
