"""Hill climb: mutates the best design of the present climb, and starts a new climb when it gains nothing more.

Iterated local search. A climb begins with fresh designs and knows only the results since its start, so a new one is
not drawn back to the old hill.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskAnalysed, CampaignStatus, Experiments


class HillClimbParameters(PolicyParameters):
    """Parameters of `hill_climb`."""

    opening: int = Field(default=4, ge=1)
    """Results that a climb begins with; the first one begins with the baselines, a later one with fresh designs."""
    patience: int = Field(default=15, ge=1)
    """Results without a gain after which a new climb begins."""


class HillClimb(SearchPolicy):
    """Climbs from the best result since the start of the climb; the state is that start, and the last gain."""

    name = "hill_climb"
    summary = "mutates the best design of a climb, and starts a new climb when it gains nothing more"
    Parameters = HillClimbParameters

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return the climb with the newest analyses: its start, its top, and when it last gained."""
        start, top, gained = state.get("start", 0), state.get("top"), state.get("gained", 0)
        if status.analysed <= state.get("seen", 0):
            return None
        best = yield from self._top(status, start)
        if best != top:
            top, gained = best, status.analysed
        elif status.analysed - gained >= self.parameters.patience:
            start, top, gained = status.analysed, None, status.analysed
        return Renewal(status.analysed, {"start": start, "top": top, "gained": gained, "seen": status.analysed})

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Mutate the top of the climb; until the climb has begun, draw afresh."""
        start = state.get("start", 0)
        if status.analysed - start < self.parameters.opening:
            founders = yield from suited(() if start else status.starting_points, status)
            return Suggestion(random.choice(founders) if founders else None)
        top = yield from self._top(status, start)
        return Suggestion(top, preferences={"crossover": 0.0, "scratch": 0.0})

    def _top(self, status: CampaignStatus, start: int) -> Subdecision[str | None]:
        """Return the best result since a climb's start, one that suits people's wishes best; None of no results."""
        rows: Experiments = yield AskAnalysed(
            campaign=status.campaign, at=status.last_seq, newest=status.analysed - start
        )
        fitting = yield from suited([row.id for row in rows.rows], status)
        return next(iter(fitting), None)


POLICY = HillClimb
