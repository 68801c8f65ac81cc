"""What is kept of results: the analysis of each experiment, and the verdicts on claimed discoveries."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import AnalysisReady, DiscoveryConfirmed, DiscoveryRefuted
from bus.wire.envelope import Envelope
from memory.rows import Row, projects


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


@dataclass(frozen=True, slots=True)
class VerdictRow(Row):
    """A candidate was tried on fresh seeds and sealed data."""

    table: ClassVar[str] = "verdicts"

    confirmed: bool
    baseline: str
    scale: str
    gains: tuple[float, ...]
    low: float
    high: float
    adjusted_p: float


@projects(AnalysisReady)
def analysis(envelope: Envelope) -> list[Row]:
    """Keep the fitness with its parts, the findings and the problem."""
    event = envelope.event
    assert isinstance(event, AnalysisReady)
    parts = event.parts
    return [AnalysisRow.of(envelope, loss=parts.loss, benchmark=parts.benchmark, judge=parts.judge)]


@projects(DiscoveryConfirmed, DiscoveryRefuted)
def verdict(envelope: Envelope) -> list[Row]:
    """Keep a verification, passed or not."""
    event = envelope.event
    assert isinstance(event, DiscoveryConfirmed | DiscoveryRefuted)
    low, high = event.interval
    return [VerdictRow.of(envelope, confirmed=isinstance(event, DiscoveryConfirmed), low=low, high=high)]
