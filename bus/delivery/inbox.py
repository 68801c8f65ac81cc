"""An inbox: the durable consumer that gives a role its messages, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Self

from bus.delivery import dead_letters
from bus.delivery.role_spec import RoleSpec
from bus.delivery.transport import Delivery, Durable
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage

MAX_DELIVERIES = 6
"""Deliveries after which a message is given up: so often its decision failed, or its process died."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where a role's messages come from."""

    durable: Durable
    read: Callable[[StoredMessage], Envelope]
    """Returns the event in a message. Raises MalformedMessage."""
    max_attempts: int = MAX_DELIVERIES
    """How often the decision about one message may fail."""
    retry: bool = False
    """True if its messages are dead letters that the role gets again."""

    @classmethod
    def of(cls, spec: RoleSpec) -> Self:
        """Return the inbox of a role that decides."""
        assert spec.durable, f"{spec.name} decides nothing"
        return cls(spec.durable, spec.read)

    def open(self, delivery: Delivery) -> "WorkItem":
        """Return a delivered message with its event. Raises MalformedMessage."""
        return WorkItem(delivery, self, self.read(delivery.stored))

    def retry_inbox(self) -> "Inbox":
        """Return the inbox of this role's retried dead letters: the original is read here, and decided once."""
        return Inbox(dead_letters.retry_durable(self.durable.name), self._read_letter, max_attempts=1, retry=True)

    def _read_letter(self, stored: StoredMessage) -> Envelope:
        return self.read(dead_letters.original_message(stored))


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A delivered message that could be read."""

    delivery: Delivery
    inbox: Inbox
    envelope: Envelope
    start: float = field(default_factory=perf_counter)
    """When it was opened, on the clock of `perf_counter`."""

    def log_fields(self) -> dict[str, object]:
        """Return what a log line tells about this message."""
        return {
            "campaign": self.envelope.campaign,
            "experiment": self.envelope.experiment,
            "event_type": self.envelope.type,
            "seq": self.envelope.seq,
            "delivery": self.delivery.deliveries,
            "ms": round(1000 * (perf_counter() - self.start), 1),
        }
