"""A training run: requested by the engineer; started, stopped, completed or failed at the trainer."""

from typing import ClassVar, Literal

from pydantic import Field

from bus.vocabulary.events.base import Event, Limits, Record
from bus.vocabulary.events.code import Stage
from bus.vocabulary.events.metrics import Metrics

VETOED = "vetoed"
"""Reason of a run that a person stopped."""
AnomalyKind = Literal["too_slow", "loss_too_low", "diverged", "stalled", "not_finite", "memory_growth", "too_good"]
TOO_GOOD: AnomalyKind = "too_good"
"""Why a completed run is quarantined: no honest design is known to reach its score."""


class Peer(Record):
    """Figures of the matched baselines, with which the live monitor compares a run."""

    step_seconds: float = Field(gt=0)
    """Median CPU seconds of a training step over the analysed baselines."""
    text_loss: float | None = None
    """Lowest training loss among the baselines when they ended, nats per byte; None if it is not known."""


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
    """An attempt's source is ready for the gates and for training."""

    run: str
    """Id of the run: `<experiment>-a<attempt>`, with `-r<shard>` for a replication."""
    attempt: int = Field(ge=0)
    """Number of the attempt."""
    source: str
    """The architecture, exactly as it is executed."""
    scale: str
    """Rung of the ladder of scales."""
    seed: int
    """Seed of weights, data order and tasks."""
    limits: Limits
    """Time and memory."""
    data: str | None = None
    """The user's own text, or None."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """Containment of the candidate."""
    peer: Peer | None = None
    """Figures of the baselines; None before any has completed."""
    shard: int = Field(default=0, ge=0)
    """Part of the data: 0 for first runs, others for replications."""
    checks_examination: bool = False
    """Whether the run examines its examination too: one run of a campaign does."""


class GateResult(Record):
    """Result of one executable gate."""

    gate: str
    """Name of the gate, such as `causality`."""
    passed: bool
    """Whether the candidate passed."""
    evidence: str
    """The measured figures."""


class RunStarted(Event):
    """The candidate passed the gates, and training begins."""

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    width: int = Field(gt=0)
    """d_model, matched to the parameter budget."""
    parameters: int = Field(gt=0)
    """Trainable parameters of the whole language model."""
    gates: tuple[GateResult, ...]
    """Every gate with its evidence."""


class RunAnomaly(Event):
    """The trainer saw in a run, or the analyst in a score, what no honest run shows."""

    run: str
    """The run."""
    kind: AnomalyKind
    """Kind of anomaly."""
    step: int = Field(ge=0)
    """Training step."""
    evidence: str
    """Figures that show it."""
    action: Literal["stopped", "quarantined"] = "stopped"
    """Consequence: the run was stopped, or its score does not count until a replication confirms it."""


class ExamControl(Record):
    """What the examination gave to something that has learned nothing; its loss is no lower than chance."""

    kind: Literal["scrambled", "shuffled"]
    """The trained weights in a random order, or the trained model with the targets in a random order."""
    task: str
    """The task."""
    loss: float
    """Nats per target."""
    accuracy: float
    """Share of right answers."""
    chance: float
    """Entropy of the targets, nats: what an answer without knowledge costs at least."""


class RunCompleted(Event):
    """A run ended with scores, which were computed outside the candidate's process."""

    version: ClassVar[int] = 2

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    metrics: Metrics
    """All figures of the run."""
    weights: str
    """File of the trained weights (safetensors), relative to the home's artifacts."""
    weights_sha256: str
    """Hash of that file."""
    controls: tuple[ExamControl, ...] = ()
    """Controls of the examination, if the request asked for them."""


class RunFailed(Event):
    """A run ended without a score."""

    run: str
    """The run."""
    worker: str
    """The trainer process."""
    attempt: int = Field(ge=0)
    """Number of the attempt."""
    stage: Stage
    """Stage at which it ended."""
    reason: str
    """Reason code, such as `causality`, `timeout`, `limit:memory`, `anomaly:diverged`."""
    message: str
    """One line for a reader."""
    tail: str = ""
    """End of the candidate's output, its traceback included."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall seconds that it took; 0 if it did not begin, and in earlier logs."""
