"""The index of the log: which event is at each position, its source, its time and its cause."""

from dataclasses import dataclass
from sys import intern
from typing import ClassVar

from bus.wire.envelope import Envelope
from bus.wire.ids import derive
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

    @property
    def identity(self) -> str:
        """Hash of what a repeated event shares with the first one: subject, role and id; 32 hex digits.

        The id alone is not enough. The server checks who publishes on a subject, but not which id a message holds: in
        an event of its own, a role could use up the id that another role's next event will have, and so hide that
        event. Here only a role that may publish on the same subject can, and it could forge the event itself as well.
        The instance does not count, since another one may publish the event again.
        """
        _, _, role, _ = self.source.split("/", 3)
        return derive(self.campaign, self.experiment, self.type, role, self.id)


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
