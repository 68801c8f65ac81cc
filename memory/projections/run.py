"""Rows of runs: the request, the start, anomalies, the end with its scores or its failure, and the loss curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from pydantic_core import to_json

from bus.vocabulary.events import Record, RunAnomaly, RunCompleted, RunFailed, RunRequested, RunStarted
from memory.rows import Row, projects


def _json(records: Sequence[Record]) -> str:
    return to_json(records).decode()


@projects(RunRequested, seconds=attrgetter("limits.seconds"), memory_mb=attrgetter("limits.memory_mb"))
@dataclass(frozen=True, slots=True)
class RunRequestRow(Row):
    """A run was requested. Its source is the SourceRow of that attempt."""

    table: ClassVar[str] = "requests"

    run: str
    attempt: int
    scale: str
    seed: int
    seconds: float
    """Limit of wall seconds."""
    memory_mb: int
    """Limit of memory in MiB."""


@projects(RunStarted, gates=lambda event: _json(event.gates))
@dataclass(frozen=True, slots=True)
class RunStartRow(Row):
    """The architecture passed the gates and training began."""

    table: ClassVar[str] = "starts"

    run: str
    worker: str
    width: int
    parameters: int
    gates: str
    """Every gate with its evidence, as JSON."""


@projects(RunAnomaly)
@dataclass(frozen=True, slots=True)
class AnomalyRow(Row):
    """The monitor or the analyst saw an anomaly."""

    table: ClassVar[str] = "anomalies"

    run: str
    kind: str
    step: int
    evidence: str


@projects(RunFailed)
@dataclass(frozen=True, slots=True)
class RunFailureRow(Row):
    """A run ended without a score; the end of its output is in the CodeFailed that follows."""

    table: ClassVar[str] = "faults"

    run: str
    worker: str
    attempt: int
    stage: str
    reason: str
    message: str


@projects(RunCompleted, metrics=lambda event: event.metrics.model_dump_json(exclude={"curve"}))
@dataclass(frozen=True, slots=True)
class CompletionRow(Row):
    """A run ended with its scores."""

    table: ClassVar[str] = "completions"

    run: str
    worker: str
    metrics: str
    """Everything that was measured except for the loss curves: `Metrics` as JSON."""
    weights: str
    weights_sha256: str


@projects(RunCompleted, points=lambda event: _json(event.metrics.curve))
@dataclass(frozen=True, slots=True)
class CurveRow(Row):
    """The thinned loss curves of a completed run."""

    table: ClassVar[str] = "curves"
    held: ClassVar[bool] = False

    run: str
    points: str
    """JSON list of curve points."""
