"""The log as spans: one trace for each experiment, one span for each decision, and the same ids every time."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bus.wire.envelope import Envelope, decode, encode
from lab.errors import LabError
from lab.observability import traces
from tests.support.archive import Archive
from tests.support.simulated_campaigns import campaign
from tests.support.simulation import caching

SEED = 38
"""The campaign of this seed has several slots and human messages."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Envelope]:
    """The log of a whole campaign with faults."""
    with caching():
        lab = campaign(Archive(tmp_path_factory.mktemp("archive")), SEED)
        lab.run()
    assert {"h", "e", "b", "c"} == {envelope.experiment[0] for envelope in lab.log}
    return lab.log


def test_an_experiment_is_one_trace(log: Sequence[Envelope]) -> None:
    """Each experiment, and the campaign itself, has one trace; every event is in exactly one span."""
    spans = traces.spans(log)
    by_trace = defaultdict(set)
    for span in spans:
        by_trace[span.trace] |= {envelope.experiment for envelope in span.envelopes}
    assert sorted(map(tuple, by_trace.values())) == sorted({(envelope.experiment,) for envelope in log})
    assert Counter(one.seq for span in spans for one in span.envelopes) == Counter(one.seq for one in log)


def test_a_trace_has_one_root_and_earlier_parents(log: Sequence[Envelope]) -> None:
    """A trace is a tree: a span's parent has published an event before it."""
    spans = traces.spans(log)
    assert len({(span.trace, span.id) for span in spans}) == len(spans)
    first_seq = {(span.trace, span.id): span.envelopes[0].seq for span in spans}
    assert {span.trace: 1 for span in spans} == Counter(span.trace for span in spans if not span.parent)
    for span in spans:
        assert not span.parent or first_seq[span.trace, span.parent] < span.envelopes[0].seq


def test_a_span_has_the_events_of_one_decision(log: Sequence[Envelope]) -> None:
    """Its parent published the cause, or it has a link to the cause: no causation is lost."""
    by_id = {envelope.id: envelope for envelope in log}
    for span in traces.spans(log):
        assert len({(one.cause, one.role, one.experiment) for one in span.envelopes}) == 1
        cause = by_id.get(span.envelopes[0].cause or "")
        if cause:
            ids = tuple(cause.traceparent.split("-")[1:3])
            assert ids == (span.link or (span.trace, span.parent))


def test_a_log_that_is_read_back_has_the_same_spans(log: Sequence[Envelope]) -> None:
    """The ids of the spans are those in the messages themselves."""
    again = [decode(encode(envelope), envelope.seq) for envelope in log]
    assert traces.otlp(traces.spans(again)) == traces.otlp(traces.spans(log))
    in_messages = {json.loads(encode(envelope))["traceparent"] for envelope in log}
    assert {f"00-{span.trace}-{span.id}-01" for span in traces.spans(log)} == in_messages


def test_the_format_is_otlp(log: Sequence[Envelope]) -> None:
    """Ids are hex of the right length, times are texts in order, and each process has a resource."""
    body = json.loads(json.dumps(traces.otlp(traces.spans(log))))
    names = set()
    for resource in body["resourceSpans"]:
        attributes = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
        names.add(attributes["service.name"])
        for span in resource["scopeSpans"][0]["spans"]:
            assert len(bytes.fromhex(span["traceId"])) == 16
            assert len(bytes.fromhex(span["spanId"])) == 8
            assert 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
            assert span["kind"] == 1
    assert names == {envelope.role for envelope in log}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve an address that accepts any POST request; yield it with the list of requests."""
    requests: list[tuple[str, bytes]] = []

    class SpanCollector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
            """Keep the test's output quiet."""

    server = HTTPServer(("127.0.0.1", 0), SpanCollector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_collector_gets_every_span(
    log: Sequence[Envelope], collector: tuple[str, list[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are of a bounded size, on the path of the standard."""
    address, requests = collector
    monkeypatch.setenv(traces.ENDPOINT_VARIABLE, address + "/")
    monkeypatch.setattr(traces, "SPANS_PER_REQUEST", 10)
    spans = traces.spans(log)
    assert traces.send(spans) == address
    assert {path for path, _ in requests} == {"/v1/traces"}
    sent = [
        span["spanId"]
        for _, body in requests
        for resource in json.loads(body)["resourceSpans"]
        for span in resource["scopeSpans"][0]["spans"]
    ]
    assert sorted(sent) == sorted(span.id for span in spans)


def test_without_a_collector_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable with the collector's address has to be set."""
    monkeypatch.delenv(traces.ENDPOINT_VARIABLE, raising=False)
    with pytest.raises(LabError, match=traces.ENDPOINT_VARIABLE):
        traces.send([])
