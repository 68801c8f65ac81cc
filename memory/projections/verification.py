"""Rows of verification: promotions, runs on sealed text, what the seeds say, and the verdicts."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

from bus.vocabulary.events import (
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    PromotionDecided,
    RatesChosen,
    VerificationCompleted,
    VerificationFailed,
    VerificationRequested,
)
from memory.rows import Row, projects


def _promotion_body(event: PromotionDecided) -> str:
    """Return the event as JSON; a later field is left out at its default, so digests of earlier logs stay."""
    absent: dict[str, Any] = {name: True for name in ("placebo_of", "tunes") if not getattr(event, name)}
    if all(run.rate == 1 for run in event.runs):
        absent["runs"] = {"__all__": {"rate"}}
    return event.model_dump_json(exclude=absent)


@projects(PromotionDecided, body=_promotion_body)
@dataclass(frozen=True, slots=True)
class PromotionRow(Row):
    """A candidate was taken to a look of a rung."""

    table: ClassVar[str] = "promotions"

    number: int
    body: str
    """PromotionDecided as JSON."""


@projects(VerificationRequested)
@dataclass(frozen=True, slots=True)
class VerificationRequestRow(Row):
    """A run of a climb was asked for."""

    table: ClassVar[str] = "verification_requests"

    run: str
    repetition: int
    scale: str
    seed: int


@projects(
    VerificationCompleted,
    loss=attrgetter("metrics.val_loss"),
    recall=attrgetter("metrics.recall"),
    parameters=lambda event: event.metrics.size["parameters"],
    metrics=lambda event: event.metrics.model_dump_json(exclude={"curve"}),
)
@dataclass(frozen=True, slots=True)
class VerificationRow(Row):
    """A run of a climb ended with its scores."""

    table: ClassVar[str] = "verifications"

    run: str
    worker: str
    loss: float
    """Nats per byte of sealed text, or of validation text if the run tries a rate."""
    recall: float
    parameters: int
    blocks: tuple[float, ...]
    """Nats per byte of each block of sealed text."""
    metrics: str
    """Everything that was measured except for the loss curves: `Metrics` as JSON."""
    weights_sha256: str


@projects(VerificationFailed)
@dataclass(frozen=True, slots=True)
class VerificationFailureRow(Row):
    """A run of a climb ended without a score."""

    table: ClassVar[str] = "verification_faults"

    run: str
    worker: str
    repetition: int
    stage: str
    reason: str
    message: str


@projects(RatesChosen, body=lambda event: event.model_dump_json())
@dataclass(frozen=True, slots=True)
class RatesRow(Row):
    """The learning rates of a rung were chosen for a candidate and its baselines."""

    table: ClassVar[str] = "tuned_rates"

    rung: int
    body: str
    """RatesChosen as JSON."""


@projects(EvidenceReady, body=lambda event: event.model_dump_json())
@dataclass(frozen=True, slots=True)
class EvidenceRow(Row):
    """A look of a rung was judged."""

    table: ClassVar[str] = "evidence"

    rung: int
    look: int
    outcome: str
    body: str
    """EvidenceReady as JSON."""


@projects(
    DiscoveryConfirmed,
    DiscoveryRefuted,
    confirmed=lambda event: isinstance(event, DiscoveryConfirmed),
    reason=lambda event: getattr(event, "reason", ""),
    body=lambda event: event.model_dump_json(),
)
@dataclass(frozen=True, slots=True)
class VerdictRow(Row):
    """A candidate's climb ended with a verdict."""

    table: ClassVar[str] = "verdicts"

    confirmed: bool
    reason: str
    """Reason code of a refutation."""
    level: float
    why: str
    body: str
    """The verdict as JSON."""
