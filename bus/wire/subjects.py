"""The subjects that messages are published on, and the streams that store them.

The log holds `lab.events.<campaign>.<experiment>.<Type>`. People publish on `lab.human.<campaign>.<person>`, the owner
without a name; a stream of its own stores that: their messages need not be CloudEvents, and the log holds only those.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from bus.vocabulary.events import Event, LossPoint, Record
from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored_message import StoredMessage

LOG = "LAB_EVENTS"
METRICS = "LAB_METRICS"
TRACES = "LAB_TRACES"
DEAD = "LAB_DEAD"
RETRY = "LAB_RETRY"
HUMAN = "LAB_HUMAN"
GATES = "lab.gates"
"""The subject on which a role asks a trainer to put a source through the gates; the reply is no event."""
FILES_BUCKET = "LAB_FILES"
FILES = f"OBJ_{FILES_BUCKET}"
"""The stream of the bucket of files, named as JetStream names those of object stores."""
CACHES = (METRICS, FILES)
"""Streams that forget by themselves, so that nothing has to keep or restore them."""

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


class StreamLimits(Record):
    """`[streams.<name>]`: limits of a stream in place of its own ones; None keeps those."""

    max_bytes: int | None = Field(default=None, gt=0)
    """Size, in bytes."""
    max_age: float | None = Field(default=None, ge=0)
    """Seconds after which a message is removed; 0 for never."""
    discard: Literal["old", "new"] | None = None
    """What a full stream does: it removes the oldest message, or refuses a new one."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's settings; times in seconds, sizes in bytes."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    max_age: float = 0.0
    append_only: bool = True
    """True if no message can be deleted, and a full stream refuses new ones. An ended campaign can be purged."""
    duplicate_window: float = 7 * DAY_S


STREAMS = (
    Stream(LOG, ("lab.events.>",), max_bytes=8 << 30),
    Stream(TRACES, ("lab.traces.>",), max_bytes=8 << 30),
    Stream(DEAD, ("lab.dead.>",), max_bytes=1 << 30),
    Stream(RETRY, ("lab.retry.>",), max_bytes=1 << 30),
    Stream(HUMAN, ("lab.human.*", "lab.human.*.*"), max_bytes=1 << 28),
    Stream(METRICS, ("lab.metrics.>",), max_bytes=1 << 28, max_age=DAY_S, append_only=False, duplicate_window=120.0),
    Stream(
        FILES,
        (f"$O.{FILES_BUCKET}.C.>", f"$O.{FILES_BUCKET}.M.>"),
        max_bytes=1 << 30,
        max_age=HOUR_S,
        append_only=False,
        duplicate_window=120.0,
    ),
)


def matches(pattern: str, subject: str) -> bool:
    """Return True if a NATS pattern (`*` for one token, `>` for the rest) matches a subject."""
    expected, actual = pattern.split("."), subject.split(".")
    for position, token in enumerate(expected):
        if token == ">":
            return len(actual) > position
        if position >= len(actual) or token not in ("*", actual[position]):
            return False
    return len(expected) == len(actual)


def event_subject(envelope: Envelope) -> str:
    """Return the subject an event is published on."""
    if isinstance(envelope.event, LossPoint):
        return f"lab.metrics.{envelope.campaign}.{envelope.event.run}"
    return event_subject_of(envelope.campaign, envelope.experiment, type(envelope.event))


def event_subject_of(campaign: str, experiment: str, kind: type[Event]) -> str:
    """Return the subject of the log for a type of event about an experiment."""
    return f"lab.events.{campaign}.{experiment}.{kind.__name__}"


def decode_event(stored: StoredMessage) -> Envelope:
    """Return the event in a message of the log, at its position. Raises MalformedMessage.

    An event counts only on its own subject: the server checks who publishes on a subject, but not what a message holds.
    """
    envelope = decode(stored.payload, stored.seq)
    if event_subject(envelope) != stored.subject:
        raise MalformedMessage(f"a {envelope.type} about {envelope.experiment} does not belong on {stored.subject}")
    return envelope


def campaign_of(subject: str) -> str:
    """Return the campaign of a subject of the log; empty for any other subject."""
    tokens = subject.split(".")
    return tokens[2] if tokens[:2] == ["lab", "events"] and len(tokens) > 3 else ""


def campaign_filter(campaign: str) -> str:
    """Return the subject filter for all events of a campaign."""
    return f"lab.events.{campaign}.>"


def decode_events(messages: Iterable[StoredMessage]) -> list[Envelope]:
    """Return the events among messages; a message that is none is left out, as every role left it out."""
    history: list[Envelope] = []
    for stored in messages:
        with suppress(MalformedMessage):
            history.append(decode_event(stored))
    return history


def event_filter(kind: type[Event], campaign: str = "*") -> str:
    """Return the subject filter for one type of event."""
    return f"lab.events.{campaign}.*.{kind.__name__}"


def query(name: str) -> str:
    """Return the subject on which a query is asked."""
    return f"lab.query.{name}"


def human_inbox(campaign: str, person: str = "") -> str:
    """Return the subject on which a person publishes who has a key of that name; without a name, the owner."""
    return f"lab.human.{campaign}.{person}" if person else f"lab.human.{campaign}"


def dead_letter(role: str) -> str:
    """Return the subject of a role's dead letters."""
    return f"lab.dead.{role}"


def dead_letter_retry(role: str) -> str:
    """Return the subject on which a role receives its dead letters again."""
    return f"lab.retry.{role}"


def drain(role: str) -> str:
    """Return the subject on which a role's services are asked to end after the work in hand."""
    return f"lab.drain.{role}"


def file_chunks(key: str) -> str:
    """Return the subject of the chunks of a file in the bucket."""
    return f"$O.{FILES_BUCKET}.C.{key}"


def file_description(name: str) -> str:
    """Return the subject under which the bucket describes the file of a name."""
    return f"$O.{FILES_BUCKET}.M.{urlsafe_b64encode(name.encode()).decode()}"


def file_question(role: str) -> str:
    """Return the subject on which all services of a role are asked who has a file."""
    return f"lab.files.{role}"


def file_upload(role: str, holder: str) -> str:
    """Return the subject on which one service is asked to put its file into the bucket."""
    return f"lab.files.{role}.{holder}"


def trace(event_id: str) -> str:
    """Return the subject of the traces of decisions about an event."""
    return f"lab.traces.{event_id}"
