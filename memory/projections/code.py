"""What is kept of self-revision: every failed attempt with the end of its output, and what the repair changed."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import CodeFailed, CodeRevised
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint
from memory.projections.proposal import source_of
from memory.rows import Row, projects


@dataclass(frozen=True, slots=True)
class FailureRow(Row):
    """An attempt failed."""

    table: ClassVar[str] = "failures"

    attempt: int
    stage: str
    reason: str
    message: str
    tail: str
    final: bool


@dataclass(frozen=True, slots=True)
class RevisionRow(Row):
    """A failed attempt was repaired; the new source is a `Source`."""

    table: ClassVar[str] = "revisions"

    attempt: int
    change: str
    repaired_by: str
    fingerprint: str
    """Fingerprint of the repaired source, blank space aside."""


@projects(CodeFailed)
def failure(envelope: Envelope) -> list[Row]:
    """Keep a failure with its evidence."""
    return [FailureRow.of(envelope)]


@projects(CodeRevised)
def revision(envelope: Envelope) -> list[Row]:
    """Keep a repair, and its source under its attempt."""
    event = envelope.event
    assert isinstance(event, CodeRevised)
    return [RevisionRow.of(envelope, fingerprint=fingerprint(event.source)), source_of(envelope, event, event.attempt)]
