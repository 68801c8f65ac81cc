"""The log's own index: which event stands at which position, said by whom, when, and because of what."""

from dataclasses import dataclass
from typing import ClassVar

from bus.wire.envelope import Envelope
from memory.rows import Row


@dataclass(frozen=True, slots=True)
class Said(Row):
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


def in_the_log(said: Envelope) -> Said:
    """Return where and how an event stands in the log."""
    return Said.of(said, id=said.id, type=said.type, source=said.source, time=said.time.isoformat(), cause=said.cause)
