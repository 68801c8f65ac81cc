"""What the events of a campaign say of costs and results, in compact records, of which the law and the rungs are folds.

A long campaign has tens of thousands of them, and the dashboard keeps them all: so none holds a curve or a source.
Placebos have none, since their runs are no arm's and tell nothing of a design.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bus.vocabulary.events import (
    UNGUIDED_ARMS,
    CampaignForked,
    CampaignStarted,
    CodeFailed,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Metrics,
    ModelAnswered,
    ProposalCreated,
    ProposalRequested,
    RunCompleted,
    RunFailed,
    RunStarted,
    VerificationCompleted,
    VerificationFailed,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import is_placebo

BASELINE_ARM = "baseline"
HUMAN_ARM = "human"
TRAINING_TO_FORWARD = 3.0
"""FLOPs of a training step per FLOP of its forward pass: the backward pass costs two."""
Kind = Literal["opened", "completed", "failed", "given_up", "sealed", "asked", "confirmed", "refuted"]


@dataclass(frozen=True, slots=True)
class ExperimentOutcome:
    """What one event says of an experiment."""

    seq: int
    event_id: str
    experiment: str
    kind: Kind
    """`sealed` is the end of a run of a climb, without a loss if it failed; `completed` and `failed` are ends of other
    runs; `given_up` is the end of an experiment without a score, whatever a run of it reached; `asked` is an answer of
    a language model."""
    arm: str = ""
    """Arm of an experiment that was opened."""
    run: str = ""
    seconds: float = 0.0
    """Wall seconds of the run."""
    flops: float = 0.0
    """Floating-point operations of its training."""
    loss: float | None = None
    """Its text loss, nats per byte."""
    tokens: float = 0.0
    """Tokens of a model's prompts and answers."""


class OutcomeReader:
    """Reads the events of one campaign, oldest first."""

    def __init__(self) -> None:
        """Start before the first event."""
        self._policy = "guided"
        self._opened: set[str] = set()
        self._started: dict[str, datetime] = {}

    def read(self, one: Envelope) -> ExperimentOutcome | None:
        """Return what an event says, None if it says nothing of costs or results."""
        return None if is_placebo(one.experiment) else self._read(one)

    def _read(self, one: Envelope) -> ExperimentOutcome | None:
        found: ExperimentOutcome | None = None
        match one.event:
            case CampaignStarted(policy=policy) | CampaignForked(policy=str(policy)):
                self._policy = policy
            case RunStarted(run=run):
                self._started[run] = one.time
            case ProposalRequested(arm=arm):
                found = self._open(one, self._arm_name(arm))
            case ProposalCreated(origin=origin) if one.experiment not in self._opened:
                found = self._open(one, BASELINE_ARM if origin == "baseline" else HUMAN_ARM)
            case RunCompleted() | VerificationCompleted() as end:
                found = self._scored(one, end)
            case RunFailed() | VerificationFailed() as end:
                found = self._unscored(one, end)
            case CodeFailed(final=True):
                found = ExperimentOutcome(one.seq, one.id, one.experiment, "given_up")
            case ModelAnswered(account=account):
                tokens = float(account.tokens_in + account.tokens_out)
                found = ExperimentOutcome(one.seq, one.id, one.experiment, "asked", tokens=tokens)
            case DiscoveryConfirmed() | DiscoveryRefuted() as verdict:
                confirmed = isinstance(verdict, DiscoveryConfirmed)
                found = ExperimentOutcome(one.seq, one.id, one.experiment, "confirmed" if confirmed else "refuted")
            case _:
                pass
        return found

    def _open(self, one: Envelope, arm: str) -> ExperimentOutcome:
        self._opened.add(one.experiment)
        return ExperimentOutcome(one.seq, one.id, one.experiment, "opened", arm)

    def _unscored(self, one: Envelope, end: RunFailed | VerificationFailed) -> ExperimentOutcome:
        """Return the end of a run without a score; where the event does not say how long it took, its start does."""
        begun = self._started.get(end.run, one.time)
        seconds = end.seconds or (one.time - begun).total_seconds()
        kind: Kind = "failed" if isinstance(end, RunFailed) else "sealed"
        return ExperimentOutcome(one.seq, one.id, one.experiment, kind, run=end.run, seconds=seconds)

    def _scored(self, one: Envelope, end: RunCompleted | VerificationCompleted) -> ExperimentOutcome:
        kind: Kind = "completed" if isinstance(end, RunCompleted) else "sealed"
        seconds, flops = _cost(end.metrics)
        loss = end.metrics.val_loss
        return ExperimentOutcome(one.seq, one.id, one.experiment, kind, "", end.run, seconds, flops, loss)

    def _arm_name(self, arm: str) -> str:
        if arm == "guided":
            return self._policy
        return f"{arm} control" if arm in UNGUIDED_ARMS else arm


def outcomes(history: Iterable[Envelope]) -> list[ExperimentOutcome]:
    """Return what the events of one campaign say, oldest first."""
    reader = OutcomeReader()
    return [found for one in history if (found := reader.read(one))]


def screening_losses(found: Iterable[ExperimentOutcome]) -> dict[str, float]:
    """Return the text loss of each design's screening: after a replication the worse one, none if it was given up."""
    losses: dict[str, float] = {}
    for one in found:
        if one.kind == "completed" and one.loss is not None:
            losses[one.experiment] = max(one.loss, losses.get(one.experiment, one.loss))
        elif one.kind == "given_up":
            losses.pop(one.experiment, None)
    return losses


def _cost(metrics: Metrics) -> tuple[float, float]:
    """Return the wall seconds of a run, and the floating-point operations of its training."""
    cost = metrics.cost
    return cost.get("seconds", 0.0), TRAINING_TO_FORWARD * cost.get("flops_per_token", 0.0) * cost.get("tokens", 0.0)
