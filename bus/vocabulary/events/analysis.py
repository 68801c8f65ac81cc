"""Results of screening: the analysis of an experiment."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events.base import Event, Record
from bus.vocabulary.events.objective import ObjectiveParts, rank_key


class FitnessParts(Record):
    """The three parts of a fitness, each in [0, 1]; the fitness is their mean."""

    loss: float = Field(ge=0, le=1)
    """σ of the relative gain in text loss over the baselines."""
    benchmark: float = Field(ge=0, le=1)
    """σ of the gain in recall over the baselines."""
    judge: float = Field(ge=0, le=1)
    """Novelty, size, cost and simplicity by formula, or a model's marks if the analyst has one."""


class AnalysisReady(Event):
    """The analyst has compared an experiment with its parent, its siblings and the baselines."""

    once: ClassVar[bool] = True

    fitness: float = Field(ge=0, le=1)
    """Mean of the parts: a screening score of one seed, with its noise."""
    parts: FitnessParts
    """The parts of the fitness."""
    findings: tuple[str, ...]
    """Observations, one sentence each."""
    problem: str
    """The weakness that the next design should address; it queries the cognition base."""
    cognition: tuple[str, ...] = ()
    """Keys of the entries that the problem retrieved, nearest first."""
    objective: float | None = None
    """What the experiment is ranked by: the weighted mean gain over the best baseline in standard deviations of seed
    noise; None if the campaign ranks by fitness."""
    objective_parts: ObjectiveParts | None = None
    """What the objective is made of; None without one."""
    judged_by: str = ""
    """Who gave the judge part: `formula`, or a model with its prompt's version; `neutral` if no model answered. Empty
    in earlier logs."""

    @property
    def rank_key(self) -> tuple[bool, float, float]:
        """Sort key among the analyses of a campaign, best first: by the objective, or by fitness without one."""
        if self.objective is None or self.objective_parts is None:
            return False, -self.fitness, 0.0
        return rank_key(self.objective, self.parts.judge, within_limit=self.objective_parts.within_limit)
