"""What is kept of ideas: the slots opened for them, the proposals made, the ones turned down, and every source."""

import json
from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import CodeRevised, ProposalCreated, ProposalRejected, ProposalRequested
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint
from memory.rows import Row, projects


@dataclass(frozen=True, slots=True)
class SlotRow(Row):
    """A slot was opened."""

    table: ClassVar[str] = "slots"

    slot: int
    arm: str
    baseline: str | None
    parent: str | None
    references: tuple[str, ...]
    guidance: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProposalRow(Row):
    """An architecture was proposed; its source is a `Source`."""

    table: ClassVar[str] = "proposals"

    name: str
    motivation: str
    origin: str
    operator: str | None
    parent: str | None
    references: tuple[str, ...]
    cognition: tuple[str, ...]
    guidance: tuple[str, ...]
    fingerprint: str
    """Fingerprint of its source, blank space aside."""


@dataclass(frozen=True, slots=True)
class RejectionRow(Row):
    """An idea was turned down before any code ran."""

    table: ClassVar[str] = "rejections"

    name: str
    motivation: str
    reason: str
    message: str
    nearest: str | None
    similarity: float | None
    source_hash: str
    final: bool


@dataclass(frozen=True, slots=True)
class SourceRow(Row):
    """The source of one attempt, as proposed (0) or as repaired."""

    table: ClassVar[str] = "sources"
    held: ClassVar[bool] = False

    attempt: int
    text: str
    design: str | None
    """The design it was rendered from, as JSON."""


def source_of(envelope: Envelope, event: ProposalCreated | CodeRevised, attempt: int) -> SourceRow:
    """Return the source that an event carries."""
    design = None if event.design is None else json.dumps(event.design)
    return SourceRow.of(envelope, attempt=attempt, text=event.source, design=design)


@projects(ProposalRequested)
def slot(envelope: Envelope) -> list[Row]:
    """Keep an opened slot."""
    return [SlotRow.of(envelope)]


@projects(ProposalCreated)
def proposal(envelope: Envelope) -> list[Row]:
    """Keep a proposal, and its source as attempt 0."""
    event = envelope.event
    assert isinstance(event, ProposalCreated)
    return [ProposalRow.of(envelope, fingerprint=fingerprint(event.source)), source_of(envelope, event, 0)]


@projects(ProposalRejected)
def rejection(envelope: Envelope) -> list[Row]:
    """Keep a rejected idea with its reason."""
    return [RejectionRow.of(envelope)]
