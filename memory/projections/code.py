"""Rows of code that failed: each failed attempt with the end of its output, and each repair with what it changed."""

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
    """Where it failed: `static`, `gate`, `train` or `evaluate`."""
    reason: str
    """Reason code, such as `causality`."""
    message: str
    """The reason in one line."""
    tail: str
    """The end of what the candidate printed."""
    final: bool
    """Whether the experiment was given up, without another repair."""


@projects(CodeRevised, fingerprint=lambda event: fingerprint(event.source), design=design_json)
@dataclass(frozen=True, slots=True)
class RevisionRow(Row):
    """A failed attempt was repaired; the SourceRow of the same event has the repaired source."""

    table: ClassVar[str] = "revisions"

    attempt: int
    """The number of the repaired attempt, from 1."""
    change: str
    """What was changed and why, in one sentence."""
    repaired_by: str
    """`rules`, `grammar` or `model`."""
    fingerprint: str
    """Fingerprint of the repaired source, blank space aside."""
    design: str | None
    """The design that the repaired source was rendered from, as JSON; None if it was not rendered."""
