"""Rows of results: the analysis of each experiment, and the verdicts on claimed discoveries."""

from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from bus.vocabulary.events import AnalysisReady, DiscoveryConfirmed, DiscoveryRefuted
from memory.rows import Row, projects


@projects(
    AnalysisReady,
    loss=attrgetter("parts.loss"),
    benchmark=attrgetter("parts.benchmark"),
    judge=attrgetter("parts.judge"),
)
@dataclass(frozen=True, slots=True)
class AnalysisRow(Row):
    """An experiment got its fitness and its explanation."""

    table: ClassVar[str] = "analyses"

    fitness: float
    loss: float
    benchmark: float
    judge: float
    findings: tuple[str, ...]
    problem: str
    cognition: tuple[str, ...]


@projects(
    DiscoveryConfirmed,
    DiscoveryRefuted,
    confirmed=lambda event: isinstance(event, DiscoveryConfirmed),
    low=lambda event: event.interval[0],
    high=lambda event: event.interval[1],
)
@dataclass(frozen=True, slots=True)
class VerdictRow(Row):
    """A candidate was verified on fresh seeds and sealed data."""

    table: ClassVar[str] = "verdicts"

    confirmed: bool
    baseline: str
    scale: str
    gains: tuple[float, ...]
    low: float
    high: float
    adjusted_p: float
