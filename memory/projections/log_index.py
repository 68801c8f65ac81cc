"""The log's own index: which event stands at which position, said by whom, when, and because of what."""

from dataclasses import dataclass
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
    """Return where and how an event stands in the log."""
    return EventRow.of(
        envelope,
        id=envelope.id,
        type=envelope.type,
        source=envelope.source,
        time=envelope.time.isoformat(),
        cause=envelope.cause,
    )
