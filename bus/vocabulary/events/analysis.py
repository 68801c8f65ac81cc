"""What a result means: its fitness, its explanation, and (after verification) whether it is a discovery."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events.base import Event, Record


class FitnessParts(Record):
    """The three parts of a fitness, each in [0, 1]; the fitness is their mean."""

    loss: float = Field(ge=0, le=1)
    """σ of the relative gain in text loss over the baselines."""
    benchmark: float = Field(ge=0, le=1)
    """σ of the gain in recall over the baselines."""
    judge: float = Field(ge=0, le=1)
    """Novelty, size, cost and simplicity by formula, or a model's marks where one is configured."""


class AnalysisReady(Event):
    """An experiment has been compared with its parent, its siblings and the baselines."""

    once: ClassVar[bool] = True

    fitness: float = Field(ge=0, le=1)
    """Mean of the parts: a screening score, with a screening score's noise."""
    parts: FitnessParts
    """What it is made of."""
    findings: tuple[str, ...]
    """What was seen, one sentence each."""
    problem: str
    """The weakness that the next design should address; it queries the cognition base."""
    cognition: tuple[str, ...] = ()
    """Keys of the entries that the problem retrieved, nearest first."""


class DiscoveryConfirmed(Event):
    """On fresh seeds and sealed data the candidate beats the best matched baseline beyond the corrected margin."""

    once: ClassVar[bool] = True

    baseline: str
    """The matched baseline it was compared with."""
    scale: str
    """Rung of the ladder."""
    seeds: tuple[int, ...]
    """Fresh seeds, the same for both."""
    gains: tuple[float, ...]
    """Paired gains, one per seed."""
    interval: tuple[float, float]
    """Confidence interval of the mean gain."""
    adjusted_p: float
    """p after correction for how many candidates were tried."""


class DiscoveryRefuted(Event):
    """The same test, not passed."""

    once: ClassVar[bool] = True

    baseline: str
    """The matched baseline it was compared with."""
    scale: str
    """Rung of the ladder."""
    seeds: tuple[int, ...]
    """Fresh seeds, the same for both."""
    gains: tuple[float, ...]
    """Paired gains, one per seed."""
    interval: tuple[float, float]
    """Confidence interval of the mean gain."""
    adjusted_p: float
    """p after correction for how many candidates were tried."""
