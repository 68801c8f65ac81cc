"""Hill climb: mutates the best design of the present climb, and starts a new climb when it gains nothing more.

Iterated local search. A climb begins with fresh designs and knows only the results since its start, so a new one is
not drawn back to the old hill. The ranking moves with every result, since it shrinks results towards those of designs
with the same units; a top that changes by that alone is no gain.
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
    reranked: bool = True
    """Whether another top is a gain even if only the ranking changed, as in logs without this parameter; new campaigns
    count a gain only if the new top was analysed since the last one was told."""


class HillClimb(SearchPolicy):
    """Climbs from the best result since the start of the climb; the state is that start, and the last gain."""

    name = "hill_climb"
    summary = "mutates the best design of a climb, and starts a new climb when it gains nothing more"
    Parameters = HillClimbParameters

    @classmethod
    @override
    def sized_for(cls, experiments: int, baselines: int) -> HillClimbParameters:
        """Return the parameters of new campaigns, in which new results alone are gains."""
        return HillClimbParameters(reranked=False)

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return the climb with the newest analyses: its start, its top, and when it last gained."""
        start, top, gained = state.get("start", 0), state.get("top"), state.get("gained", 0)
        seen = state.get("seen", 0)
        if status.analysed <= seen:
            return None
        best = yield from self._top(status, start)
        if best != top and (self.parameters.reranked or (yield from self._is_new(best, status, seen))):
            top, gained = best, status.analysed
        elif status.analysed - gained >= self.parameters.patience:
            start, top, gained = status.analysed, None, status.analysed
        else:
            top = best
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

    def _is_new(self, name: str | None, status: CampaignStatus, seen: int) -> Subdecision[bool]:
        """Return whether an experiment is among those that were analysed since the last renewal."""
        rows: Experiments = yield AskAnalysed(
            campaign=status.campaign, at=status.last_seq, newest=status.analysed - seen
        )
        return name in {row.id for row in rows.rows}

    def _top(self, status: CampaignStatus, start: int) -> Subdecision[str | None]:
        """Return the best result since a climb's start, one that suits people's wishes best; None of no results."""
        rows: Experiments = yield AskAnalysed(
            campaign=status.campaign, at=status.last_seq, newest=status.analysed - start
        )
        fitting = yield from suited([row.id for row in rows.rows], status)
        return next(iter(fitting), None)


POLICY = HillClimb
