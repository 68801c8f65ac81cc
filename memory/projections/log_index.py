"""The index of the log: which event is at each position, its source, its time and its cause."""

from dataclasses import dataclass
from sys import intern
from typing import ClassVar

from bus.wire.envelope import Envelope
from memory.rows import Row


@dataclass(frozen=True, slots=True)
class EventRow(Row):
    """An event that was applied."""

    table: ClassVar[str] = "events"

    id: str
    type: str
    source: str
    """`/lab/<role>/<instance>`."""
    time: str
    """ISO 8601 with its zone."""
    cause: str | None
    """Id of the event that led to it."""


def event_row(envelope: Envelope) -> EventRow:
    """Return the row of an event's envelope."""
    return EventRow(
        seq=envelope.seq,
        campaign=intern(envelope.campaign),
        experiment=intern(envelope.experiment),
        id=envelope.id,
        type=envelope.type,
        source=envelope.source,
        time=envelope.time.isoformat(),
        cause=envelope.cause,
    )
