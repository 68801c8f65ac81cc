"""The search objective: what a campaign ranks its experiments by, apart from the fitness that it reports.

CampaignStarted holds the whole objective, AnalysisReady an experiment's value with its parts. The value is in units of
seed noise: 1 is a gain over the best baseline as large as the standard deviation of one run over seeds.
"""

from math import hypot

from pydantic import Field

from bus.vocabulary.events.base import Record

TIE = 0.1
"""Objectives that round to the same multiple of this, in standard deviations, are a tie: the judge breaks it."""


class ObjectiveMeasure(Record):
    """How one task enters the objective."""

    measure: str
    """A measure of the task, such as `nats_per_byte`; `log_` before its name stands for its logarithm."""
    weight: float = Field(ge=0)
    """Share of the task, relative to the other tasks' weights."""
    noise: float = Field(gt=0)
    """Standard deviation of the measure over the seeds of one design, in its own unit."""


class Objective(Record):
    """What a campaign ranks its experiments by."""

    tasks: dict[str, ObjectiveMeasure]
    """Measure by task; a task that is not listed does not count."""
    max_flops: float | None = Field(default=None, gt=0)
    """Forward FLOPs per token that a design may take, as a multiple of the costliest baseline's; None for no limit.
    Experiments above it rank below all others."""

    @property
    def noise(self) -> float:
        """Standard deviation of one run's objective over seeds, if the measures' noise is independent."""
        weights = [task.weight for task in self.tasks.values()]
        return hypot(*weights) / sum(weights) if any(weights) else 1.0


class ObjectiveParts(Record):
    """What an experiment's objective is made of."""

    gains: dict[str, float]
    """Gain over the best baseline by task, in standard deviations of that measure's seed noise."""
    runs: tuple[float, ...] = ()
    """The objective of each of its runs alone, if it has several."""
    flops: float | None = None
    """Forward FLOPs per token as a multiple of the costliest baseline's; None if it is not known."""
    within_limit: bool = True
    """Whether these meet the objective's `max_flops`."""


def rank_key(score: float, judge: float, *, within_limit: bool) -> tuple[bool, float, float]:
    """Return the sort key of an experiment with an objective, best first: the limit, then the score, then the judge."""
    return not within_limit, -round(score / TIE), -judge
