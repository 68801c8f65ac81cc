"""A training run's life: requested, started, watched, completed or failed. Said by the engineer and the trainer."""

from typing import ClassVar, Literal

from pydantic import Field

from bus.vocabulary.events.base import Event, Limits, Record
from bus.vocabulary.events.code import Stage
from bus.vocabulary.events.metrics import Metrics

VETOED = "vetoed"
"""Reason of a run that a person stopped."""
AnomalyKind = Literal["too_slow", "loss_too_low", "diverged", "stalled", "not_finite", "memory_growth", "too_good"]
TOO_GOOD: AnomalyKind = "too_good"
"""What a completed run is quarantined for: a score that no honest design is known to reach."""


class Peer(Record):
    """What the matched baselines needed and reached; the live monitor compares with it."""

    step_seconds: float = Field(gt=0)
    """Median CPU seconds of a training step over the analysed baselines."""
    text_loss: float | None = None
    """Lowest training loss among the baselines when they ended, nats per byte; None where it was not kept."""


class LossPoint(Event):
    """One reading of a training loss, on the short-lived metrics stream, never in the log."""

    run: str
    """The run."""
    task: str
    """Which task's loss."""
    step: int = Field(ge=0)
    """Training step."""
    steps: int = Field(gt=0)
    """Steps the run will take."""
    loss: float
    """Nats per target."""


class RunRequested(Event):
    """One attempt's source is ready for the gates and, past them, for training."""

    run: str
    """`<experiment>-a<attempt>`, and `-r<shard>` where it repeats a quarantined one."""
    attempt: int = Field(ge=0)
    """Which attempt of the experiment."""
    source: str
    """The architecture, exactly as it will be executed."""
    scale: str
    """Rung of the ladder of scales."""
    seed: int
    """Seed of weights, data order and tasks."""
    limits: Limits
    """Time and memory."""
    data: str | None = None
    """The user's own text, or None."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """What contains the candidate."""
    peer: Peer | None = None
    """The baselines' figures; None while no baseline has completed."""
    shard: int = Field(default=0, ge=0)
    """Which data: 0 is what every design is tried on, any other is for a quarantined one's further runs."""


class GateResult(Record):
    """What one executable gate found."""

    gate: str
    """Name, such as `causality`."""
    passed: bool
    """Whether it held."""
    evidence: str
    """What was measured."""


class RunStarted(Event):
    """The gates held and training begins."""

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    width: int = Field(gt=0)
    """d_model after the width was matched to the parameter budget."""
    parameters: int = Field(gt=0)
    """Trainable parameters of the whole language model."""
    gates: tuple[GateResult, ...]
    """Every gate with its evidence."""


class RunAnomaly(Event):
    """Something was seen that an honest run does not do: by the trainer on the way, by the analyst in the score."""

    run: str
    """The run."""
    kind: AnomalyKind
    """What was seen."""
    step: int = Field(ge=0)
    """At which training step."""
    evidence: str
    """The figures behind it."""
    action: Literal["stopped", "quarantined"] = "stopped"
    """What was done about it: the run was stopped, or its score counts for nothing before another run bears it out."""


class RunCompleted(Event):
    """A trained and evaluated architecture. All scores were computed outside the candidate's process."""

    version: ClassVar[int] = 2

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    metrics: Metrics
    """Everything that was measured."""
    weights: str
    """File of the trained weights (safetensors), relative to the home's artifacts."""
    weights_sha256: str
    """Hash of that file."""


class RunFailed(Event):
    """A run that gives no score, and why."""

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    attempt: int = Field(ge=0)
    """Which attempt of the experiment."""
    stage: Stage
    """Where it ended."""
    reason: str
    """Reason code, such as `causality`, `timeout`, `limit:memory`, `anomaly:diverged`."""
    message: str
    """One line for a reader."""
    tail: str = ""
    """The end of the candidate's output, its traceback included."""
