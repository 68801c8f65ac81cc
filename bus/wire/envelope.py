"""CloudEvents 1.0 structured JSON: the one form an event has on the wire, in an exported file and in a replay.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from bus.vocabulary.events import EVENT_TYPES, Event
from bus.wire.ids import derive
from bus.wire.upcasters import UpcastError, upcast

CONTENT_TYPE = "application/cloudevents+json"
TOKEN = r"^[A-Za-z0-9_-]{1,64}$"
"""Pattern of one token of a subject: no dots, no wildcards, no spaces."""


_WIRE_TYPE = re.compile(r"([A-Za-z]{1,64})(?:\.v([1-9][0-9]{0,3}))?")
_CURRENT_TYPES = {kind.wire_type(): kind for kind in EVENT_TYPES.values()}
"""Wire types of today's versions, which need no upcast: nearly all messages."""


class MalformedMessage(ValueError):
    """Bytes that hold no event of this vocabulary; the text says why in one line."""


class _CloudEvent(BaseModel):
    """The wire form of an envelope."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    specversion: str = Field(pattern=r"^1\.0$")
    id: str = Field(pattern=TOKEN)
    source: str = Field(pattern=r"^/lab/[a-z]+/[A-Za-z0-9._:-]{1,128}$")
    type: str
    time: AwareDatetime
    subject: str = Field(pattern=TOKEN)
    correlationid: str = Field(pattern=TOKEN)
    causationid: str | None = None
    traceparent: str | None = None
    datacontenttype: str = "application/json"
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with its id, source, time, campaign, experiment and cause."""

    id: str
    source: str
    """`/lab/<role>/<instance>`."""
    time: datetime
    campaign: str
    experiment: str
    event: Event
    cause: str | None = None
    """Id of the event that led to this one."""
    seq: int = 0
    """Position in the log; 0 until the log has stored it."""

    @property
    def type(self) -> str:
        """The event's class name."""
        return type(self.event).__name__

    @property
    def role(self) -> str:
        """The role that published it."""
        return self.source.split("/")[2]

    @property
    def traceparent(self) -> str:
        """W3C trace context: one trace for each experiment, one span for each decision of a role about it.

        Each message of a person is a span of its own, since its cause is not in the log.
        https://www.w3.org/TR/trace-context/
        """
        own_span = self.cause is None or self.role == "desk"
        span = derive(self.id) if own_span else derive(self.cause, self.role, self.experiment)
        return f"00-{derive(self.campaign, self.experiment)}-{span[:16]}-01"

    def at_position(self, seq: int) -> Self:
        """Return the same envelope at its position in the log."""
        return replace(self, seq=seq)


def encode(envelope: Envelope) -> bytes:
    """Return an envelope as a CloudEvent in JSON."""
    return (
        _CloudEvent(
            specversion="1.0",
            id=envelope.id,
            source=envelope.source,
            type=envelope.event.wire_type(),
            time=envelope.time.astimezone(UTC),
            subject=envelope.experiment,
            correlationid=envelope.campaign,
            causationid=envelope.cause,
            traceparent=envelope.traceparent,
            data=envelope.event.model_dump(mode="json"),
        )
        .model_dump_json(exclude_none=True)
        .encode()
    )


def decode(payload: bytes, seq: int = 0) -> Envelope:
    """Return the envelope in a message, at position `seq`. Raises MalformedMessage."""
    try:
        wire = _CloudEvent.model_validate_json(payload)
        kind, data = _CURRENT_TYPES.get(wire.type), wire.data
        if kind is None:
            name, version = _parse_type(wire.type)
            kind, data = EVENT_TYPES[name], upcast(name, version, data)
        event = kind.model_validate_json(to_json(data), strict=True)
    except UpcastError as error:
        raise MalformedMessage(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedMessage(f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}") from None
    return Envelope(wire.id, wire.source, wire.time, wire.correlationid, wire.subject, event, wire.causationid, seq)


def _parse_type(wire_type: str) -> tuple[str, int]:
    """Return the event's name and version of a CloudEvents `type`. Raises MalformedMessage for an unknown name."""
    match = _WIRE_TYPE.fullmatch(wire_type)
    if match is None or match[1] not in EVENT_TYPES:
        raise MalformedMessage(f"unknown event type {wire_type[:64]!r}")
    return match[1], int(match[2] or 1)
