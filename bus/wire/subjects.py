"""Where things are said: the subjects and the streams that keep them.

`lab.events.<campaign>.<experiment>.<Type>` is the log. People publish on `lab.human.<campaign>`, which has an inbox
stream of its own: what they write need not be a CloudEvent, and the log holds nothing else.
"""

from dataclasses import dataclass

from bus.vocabulary.events import Event, LossPoint
from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored import Stored

LOG = "LAB_EVENTS"
METRICS = "LAB_METRICS"
TRACES = "LAB_TRACES"
DEAD = "LAB_DEAD"
RETRY = "LAB_RETRY"
HUMAN = "LAB_HUMAN"

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's settings; times in seconds, sizes in bytes."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    max_age: float = 0.0
    append_only: bool = True
    """Nobody may delete or purge, and a full stream refuses new messages."""
    duplicate_window: float = 7 * DAY_S


STREAMS = (
    Stream(LOG, ("lab.events.>",), max_bytes=8 << 30),
    Stream(TRACES, ("lab.traces.>",), max_bytes=8 << 30),
    Stream(DEAD, ("lab.dead.>",), max_bytes=1 << 30),
    Stream(RETRY, ("lab.retry.>",), max_bytes=1 << 30),
    Stream(HUMAN, ("lab.human.>",), max_bytes=1 << 28),
    Stream(METRICS, ("lab.metrics.>",), max_bytes=1 << 28, max_age=DAY_S, append_only=False, duplicate_window=120.0),
)


def event_subject(envelope: Envelope) -> str:
    """Return the subject an event is published on."""
    if isinstance(envelope.event, LossPoint):
        return f"lab.metrics.{envelope.campaign}.{envelope.event.run}"
    return f"lab.events.{envelope.campaign}.{envelope.experiment}.{envelope.type}"


def decode_event(stored: Stored) -> Envelope:
    """Return the event that a message of the log holds, at its position. Raises Malformed.

    The server says who may publish on which subject, and nothing of what is in a message: an event counts only on the
    subject that is its own.
    """
    said = decode(stored.payload, stored.seq)
    if event_subject(said) != stored.subject:
        raise MalformedMessage(f"a {said.type} about {said.experiment} does not belong on {stored.subject}")
    return said


def event_filter(kind: type[Event], campaign: str = "*") -> str:
    """Return the subject filter for one type of event."""
    return f"lab.events.{campaign}.*.{kind.__name__}"


def query(name: str) -> str:
    """Return the subject on which a query is asked."""
    return f"lab.query.{name}"


def human_inbox(campaign: str) -> str:
    """Return the subject on which people speak."""
    return f"lab.human.{campaign}"


def dead_letter(role: str) -> str:
    """Return the subject of a role's dead letters."""
    return f"lab.dead.{role}"


def dead_letter_retry(role: str) -> str:
    """Return the subject on which a role is handed a dead letter again."""
    return f"lab.retry.{role}"


def trace(event_id: str) -> str:
    """Return the subject of what a decision upon an event had read."""
    return f"lab.traces.{event_id}"
