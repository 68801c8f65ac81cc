"""Memory-guided: starts from designs whose weakness is known and for which memory holds papers.

The cognition of ASI-ARCH (2025) as a rule of selection. The analyst names the weakness of every result and retrieves
papers on it (`docs/explanation/cognition.md`); the researcher leans towards their units. So a good design with a
weakness that papers treat is worth more as a parent than its rank says. Its mates are good designs without it.
"""

from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskExperiments, CampaignStatus, Experiment, Experiments


class MemoryGuidedParameters(PolicyParameters):
    """Parameters of `memory_guided`."""

    best: int = Field(default=10, ge=1, le=50)
    """Ranks that parents and mates come from."""
    mates: int = Field(default=3, ge=0)
    """Mates of one proposal."""
    papers: float = Field(default=1.0, ge=0)
    """What one paper on a design's weakness adds to its weight as a parent; a design without any weighs 1."""


class MemoryGuided(SearchPolicy):
    """Weighs the best designs by the papers on their weaknesses."""

    name = "memory_guided"
    summary = "starts from good designs whose weakness papers treat, with mates that lack that weakness"
    Parameters = MemoryGuidedParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a parent among the best by its weight, and mates with other weaknesses; else a baseline."""
        best = yield from suited(status.ranking[: self.parameters.best], status)
        if not best:
            founders = yield from suited(status.starting_points, status)
            return Suggestion(random.choice(founders) if founders else None)
        known: Experiments = yield AskExperiments(campaign=status.campaign, at=status.last_seq, ids=tuple(best))
        rows = {row.id: row for row in known.rows}
        weights = [1 + self.parameters.papers * len(_papers(rows.get(name))) for name in best]
        parent = random.choices(best, weights)[0]
        others = [name for name in best if name != parent and _problem(rows.get(name)) != _problem(rows.get(parent))]
        mates = random.sample(others, min(self.parameters.mates, len(others)))
        guided = {"mutate": 2.0} if _papers(rows.get(parent)) else {}
        return Suggestion(parent, tuple(mates), preferences={"scratch": 0.0, **guided})


def _papers(row: Experiment | None) -> tuple[str, ...]:
    """Return the papers that a design's weakness has retrieved."""
    return row.cognition if row else ()


def _problem(row: Experiment | None) -> str:
    """Return the weakness of a design."""
    return row.problem if row else ""


POLICY = MemoryGuided
