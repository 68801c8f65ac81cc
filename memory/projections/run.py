"""What is kept of runs: what was asked for, that it began, what looked wrong, how it ended, and its loss curves."""

import json
from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import RunAnomaly, RunCompleted, RunFailed, RunRequested, RunStarted
from bus.wire.envelope import Envelope
from memory.rows import Row, projects


@dataclass(frozen=True, slots=True)
class RunRequestRow(Row):
    """A run was asked for. Its source is the `Source` of that attempt."""

    table: ClassVar[str] = "requests"

    run: str
    attempt: int
    scale: str
    seed: int
    seconds: float
    """Wall seconds it may take."""
    memory_mb: int
    """MiB it may hold."""


@dataclass(frozen=True, slots=True)
class RunStartRow(Row):
    """The gates held and training began."""

    table: ClassVar[str] = "starts"

    run: str
    worker: str
    width: int
    parameters: int
    gates: str
    """Every gate with its evidence, as JSON."""


@dataclass(frozen=True, slots=True)
class AnomalyRow(Row):
    """The live monitor saw something wrong."""

    table: ClassVar[str] = "anomalies"

    run: str
    kind: str
    step: int
    evidence: str


@dataclass(frozen=True, slots=True)
class RunFailureRow(Row):
    """A run ended without a score."""

    table: ClassVar[str] = "faults"

    run: str
    worker: str
    attempt: int
    stage: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class CompletionRow(Row):
    """A run ended with its scores."""

    table: ClassVar[str] = "completions"

    run: str
    worker: str
    width: int
    parameters: int
    steps: int
    tokens: int
    seconds: float
    step_seconds: float
    flops_per_token: float
    val_loss: float
    bits_per_byte: float
    train_loss: float | None
    recall: float
    recall_stderr: float
    scores: str
    """Every task's own score, as JSON."""
    weights: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class CurveRow(Row):
    """The thinned loss curves of a completed run."""

    table: ClassVar[str] = "curves"
    held: ClassVar[bool] = False

    run: str
    points: str
    """JSON list of curve points."""


@projects(RunRequested)
def request(envelope: Envelope) -> list[Row]:
    """Keep what a run was asked to do and its limits."""
    event = envelope.event
    assert isinstance(event, RunRequested)
    return [RunRequestRow.of(envelope, seconds=event.limits.seconds, memory_mb=event.limits.memory_mb)]


@projects(RunStarted)
def start(envelope: Envelope) -> list[Row]:
    """Keep that training began, with the gates' evidence."""
    event = envelope.event
    assert isinstance(event, RunStarted)
    return [RunStartRow.of(envelope, gates=json.dumps([gate.model_dump() for gate in event.gates]))]


@projects(RunAnomaly)
def anomaly(envelope: Envelope) -> list[Row]:
    """Keep what the monitor saw."""
    return [AnomalyRow.of(envelope)]


@projects(RunFailed)
def fault(envelope: Envelope) -> list[Row]:
    """Keep why a run has no score; the end of its output comes with the CodeFailed that follows."""
    return [RunFailureRow.of(envelope)]


@projects(RunCompleted)
def completion(envelope: Envelope) -> list[Row]:
    """Keep the scores, and the curves beside them."""
    event = envelope.event
    assert isinstance(event, RunCompleted)
    points = json.dumps([point.model_dump() for point in event.curve])
    scores = json.dumps([score.model_dump() for score in event.scores])
    return [CompletionRow.of(envelope, scores=scores), CurveRow.of(envelope, points=points)]
