"""The log as OpenTelemetry spans: an experiment's whole life is one trace, one unit of work is one span.

A unit of work is what a role said about an experiment upon one event; its span lasts from that event to the last word.
All ids are derived from the log (`Envelope.traceparent` names them too), so that the same log, exported or replayed as
often as one likes, gives the same spans: a second export adds nothing and moves nothing. A span's parent is the unit
that said its cause. Where that belongs to another experiment's trace (a slot that another's end has opened), it is
linked, and the parent is the last unit of the experiment's own; the first has none.

OTLP in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import json
import os
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bus.vocabulary.events import CodeFailed, ProposalRejected, RunFailed
from bus.wire.envelope import Envelope
from lab.errors import LabError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Environment variable with the address of a collector, such as `http://127.0.0.1:4318`."""
SPANS_PER_REQUEST = 1000
"""Spans in one request to a collector."""
INTERNAL, ERROR = 1, 2
"""SpanKind of work within a service; StatusCode of what failed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A unit of work."""

    trace: str
    """32 hex digits."""
    id: str
    """16 hex digits."""
    cause: Envelope | None
    """The event that was decided upon; None where the log begins."""
    parent: str = ""
    """Id of another span of the trace."""
    link: tuple[str, str] | None = None
    """Trace and id of the span that said the cause, where that is of another trace."""
    said: list[Envelope] = field(default_factory=list)
    """What was said, in the order of the log."""


def spans(log: Iterable[Envelope]) -> list[Span]:
    """Return the spans of a log in the order in which they began to speak."""
    found: dict[tuple[str, str], Span] = {}
    by_id: dict[str, Envelope] = {}
    last: dict[str, str] = {}
    for said in log:
        trace, unit = _ids(said)
        if (trace, unit) not in found:
            cause = by_id.get(said.cause or "")
            theirs = _ids(cause) if cause else None
            within = theirs is not None and theirs[0] == trace
            parent = theirs[1] if theirs and within else last.get(trace, "")
            found[trace, unit] = Span(trace, unit, cause, parent, None if within else theirs)
        found[trace, unit].said.append(said)
        by_id[said.id] = said
        last[trace] = unit
    return list(found.values())


def _ids(envelope: Envelope) -> tuple[str, str]:
    """Return the trace and the span that an event belongs to."""
    _, trace, unit, _ = envelope.traceparent.split("-")
    return trace, unit


def otlp(found: Iterable[Span]) -> dict[str, Any]:
    """Return spans as an ExportTraceServiceRequest, a resource for every process."""
    by_source: defaultdict[str, list[Span]] = defaultdict(list)
    for span in found:
        by_source[span.said[0].source].append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(_resource(source))},
                "scopeSpans": [{"scope": {"name": "move37"}, "spans": [_span(one) for one in theirs]}],
            }
            for source, theirs in by_source.items()
        ]
    }


def _resource(source: str) -> dict[str, str]:
    """Return who a source is in OpenTelemetry's terms."""
    _, _, role, instance = source.split("/", 3)
    return {"service.namespace": "move37", "service.name": role, "service.instance.id": instance}


def _span(span: Span) -> dict[str, Any]:
    """Return a span as OTLP has it."""
    first, cause = span.said[0], span.cause
    failed = any(
        isinstance(one.event, RunFailed) or (isinstance(one.event, CodeFailed | ProposalRejected) and one.event.final)
        for one in span.said
    )
    told = {"move37.campaign": first.campaign, "move37.experiment": first.experiment, "move37.seq": first.seq}
    begun = min(cause.time, first.time) if cause else first.time  # clocks of two hosts may differ
    return {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": f"{first.role} {cause.type if cause else first.type}",
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(begun),
        "endTimeUnixNano": _nanoseconds(max(one.time for one in (*span.said, first))),
        "attributes": _attributes(told),
        "events": [{"timeUnixNano": _nanoseconds(one.time), "name": one.type} for one in span.said],
        "links": [{"traceId": span.link[0], "spanId": span.link[1]}] if span.link else [],
        "status": {"code": ERROR} if failed else {},
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP has them; 64-bit integers are texts."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]


def _nanoseconds(time: datetime) -> str:
    """Return a time as whole nanoseconds since 1970."""
    return str(int(time.timestamp()) * 10**9 + time.microsecond * 1000)


def send(found: Sequence[Span]) -> str:
    """Hand spans to the collector that the environment names and return its address. Raises LabError."""
    where = os.environ.get(ENDPOINT, "").rstrip("/")
    if not where.startswith(("http://", "https://")):
        raise LabError(f"name a collector by {ENDPOINT}, such as http://127.0.0.1:4318")
    for begin in range(0, len(found), SPANS_PER_REQUEST):
        body = json.dumps(otlp(found[begin : begin + SPANS_PER_REQUEST])).encode()
        request = urllib.request.Request(  # noqa: S310  (the person's own collector)
            f"{where}/v1/traces", body, {"Content-Type": "application/json"}
        )
        try:
            urllib.request.urlopen(request, timeout=10.0).close()  # noqa: S310  (the same)
        except OSError as error:
            raise LabError(f"{where}/v1/traces takes no spans: {error}") from None
    return where
