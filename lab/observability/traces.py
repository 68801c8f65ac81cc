"""The log as OpenTelemetry spans: one experiment is one trace, one unit of work is one span.

A unit of work is what a role published about an experiment because of one event. Its span lasts from that event to the
last published one.
All ids are derived from the log (`Envelope.traceparent` has them too). The same log always gives the same spans, so a
second export adds nothing.
A span's parent is the unit that published its cause. If the cause is of another experiment's trace, as when an ended
experiment frees a slot, the span has a link to it, and its parent is the experiment's previous unit. The first unit has
no parent.

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

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Environment variable with the address of an OTLP collector, such as `http://127.0.0.1:4318`."""
SPANS_PER_REQUEST = 1000
"""Spans in one request to a collector."""
INTERNAL, ERROR = 1, 2
"""OTLP's SpanKind of work within a service; OTLP's StatusCode of a failure."""


@dataclass(frozen=True, slots=True)
class Span:
    """A unit of work."""

    trace: str
    """32 hex digits."""
    id: str
    """16 hex digits."""
    cause: Envelope | None
    """The event that was decided; None for the first event of the log."""
    parent: str = ""
    """Id of another span of the same trace; empty for the root."""
    link: tuple[str, str] | None = None
    """Trace and span id of the cause, if the cause is of another trace."""
    envelopes: list[Envelope] = field(default_factory=list)
    """The published events, in the order of the log."""


def spans(log: Iterable[Envelope]) -> list[Span]:
    """Return the spans of a log, ordered by their first published event."""
    spans_by_id: dict[tuple[str, str], Span] = {}
    envelopes: dict[str, Envelope] = {}
    newest_unit: dict[str, str] = {}
    for envelope in log:
        trace, unit = _ids(envelope)
        if (trace, unit) not in spans_by_id:
            cause = envelopes.get(envelope.cause or "")
            spans_by_id[trace, unit] = _new_span(trace, unit, cause, newest_unit.get(trace, ""))
        spans_by_id[trace, unit].envelopes.append(envelope)
        envelopes[envelope.id] = envelope
        newest_unit[trace] = unit
    return list(spans_by_id.values())


def _new_span(trace: str, unit: str, cause: Envelope | None, previous: str) -> Span:
    """Return an empty span; `previous` is the trace's newest unit."""
    if cause is None:
        return Span(trace, unit, None, previous)
    cause_trace, cause_unit = _ids(cause)
    if cause_trace == trace:
        return Span(trace, unit, cause, cause_unit)
    return Span(trace, unit, cause, previous, (cause_trace, cause_unit))


def _ids(envelope: Envelope) -> tuple[str, str]:
    """Return the trace and the span that an event belongs to."""
    _, trace, unit, _ = envelope.traceparent.split("-")
    return trace, unit


def otlp(spans: Iterable[Span]) -> dict[str, Any]:
    """Return spans as an ExportTraceServiceRequest, with one resource for each process."""
    by_source: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_source[span.envelopes[0].source].append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(_resource(source))},
                "scopeSpans": [{"scope": {"name": "move37"}, "spans": list(map(_span_as_json, own_spans))}],
            }
            for source, own_spans in by_source.items()
        ]
    }


def _resource(source: str) -> dict[str, str]:
    """Return the attributes of the process that a source names."""
    _, _, role, instance = source.split("/", 3)
    return {"service.namespace": "move37", "service.name": role, "service.instance.id": instance}


def _span_as_json(span: Span) -> dict[str, Any]:
    first, cause = span.envelopes[0], span.cause
    attributes = {"move37.campaign": first.campaign, "move37.experiment": first.experiment, "move37.seq": first.seq}
    start = min(cause.time, first.time) if cause else first.time  # clocks of two hosts may differ
    return {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": f"{first.role} {cause.type if cause else first.type}",
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(start),
        "endTimeUnixNano": _nanoseconds(max(envelope.time for envelope in span.envelopes)),
        "attributes": _attributes(attributes),
        "events": [{"timeUnixNano": _nanoseconds(one.time), "name": one.type} for one in span.envelopes],
        "links": [{"traceId": span.link[0], "spanId": span.link[1]}] if span.link else [],
        "status": {"code": ERROR} if any(map(_is_failure, span.envelopes)) else {},
    }


def _is_failure(envelope: Envelope) -> bool:
    match envelope.event:
        case RunFailed() | CodeFailed(final=True) | ProposalRejected(final=True):
            return True
        case _:
            return False


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes in OTLP's JSON form, which has 64-bit integers as text."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]


def _nanoseconds(time: datetime) -> str:
    """Return a time as the text of its nanoseconds since 1970."""
    return str(int(time.timestamp()) * 10**9 + time.microsecond * 1000)


def send(spans: Sequence[Span]) -> str:
    """Send spans to the collector that the environment names and return its address. Raises LabError."""
    address = os.environ.get(ENDPOINT_VARIABLE, "").rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise LabError(
            f"no collector in {ENDPOINT_VARIABLE} ({address!r}); hint: set it, such as to http://127.0.0.1:4318"
        )
    for begin in range(0, len(spans), SPANS_PER_REQUEST):
        body = json.dumps(otlp(spans[begin : begin + SPANS_PER_REQUEST])).encode()
        request = urllib.request.Request(  # noqa: S310  (the collector is the user's own)
            f"{address}/v1/traces", body, {"Content-Type": "application/json"}
        )
        try:
            urllib.request.urlopen(request, timeout=10.0).close()  # noqa: S310  (the same)
        except OSError as error:
            raise LabError(f"the collector {address}/v1/traces did not accept the spans ({error})") from None
    return address
