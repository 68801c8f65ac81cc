"""Rows of ideas: the slots opened for them, the proposals, the rejected ideas, and every source."""

import json
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from bus.vocabulary.events import CodeRevised, ProposalCreated, ProposalRejected, ProposalRequested
from bus.wire.ids import fingerprint
from memory.rows import Row, projects


@projects(ProposalRequested)
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


def design_json(event: ProposalCreated | CodeRevised) -> str | None:
    """Return the design of an event as JSON; None if it has none."""
    return None if event.design is None else json.dumps(event.design)


@projects(ProposalCreated, fingerprint=lambda event: fingerprint(event.source), design=design_json)
@dataclass(frozen=True, slots=True)
class ProposalRow(Row):
    """An architecture was proposed; its source is a SourceRow."""

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
    design: str | None
    """The design that the source was rendered from, as JSON."""


@projects(ProposalRejected)
@dataclass(frozen=True, slots=True)
class RejectionRow(Row):
    """An idea was rejected before any code ran."""

    table: ClassVar[str] = "rejections"

    name: str
    motivation: str
    reason: str
    message: str
    nearest: str | None
    similarity: float | None
    distance: int | None
    source_hash: str
    final: bool


@projects(
    ProposalCreated,
    CodeRevised,
    attempt=lambda event: event.attempt if isinstance(event, CodeRevised) else 0,
    text=attrgetter("source"),
)
@dataclass(frozen=True, slots=True)
class SourceRow(Row):
    """The source of one attempt: as proposed (attempt 0) or as repaired."""

    table: ClassVar[str] = "sources"
    held: ClassVar[bool] = False

    attempt: int
    text: str
