"""Rows of self-revision: each failed attempt with the end of its output, and what the repair changed."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import CodeFailed, CodeRevised
from bus.wire.ids import fingerprint
from memory.projections.proposal import design_json
from memory.rows import Row, projects


@projects(CodeFailed)
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


@projects(CodeRevised, fingerprint=lambda event: fingerprint(event.source), design=design_json)
@dataclass(frozen=True, slots=True)
class RevisionRow(Row):
    """A failed attempt was repaired; the new source is a SourceRow."""

    table: ClassVar[str] = "revisions"

    attempt: int
    change: str
    repaired_by: str
    fingerprint: str
    """Fingerprint of the repaired source, blank space aside."""
    design: str | None
    """The design that the repaired source was rendered from, as JSON."""
