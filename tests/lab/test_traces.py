"""The log as spans: one proposal is one trace, one decision one span, parents by causation, the same ids every time."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bus.wire.envelope import Envelope, decode, encode
from lab.errors import LabError
from lab.observability import traces
from tests.support.simulated_campaigns import campaign
from tests.support.simulation import Archive, remembering

LIVELY = 38
"""A seed with several slots, and people who speak."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Envelope]:
    """A whole campaign under faults."""
    with remembering():
        lab = campaign(Archive(tmp_path_factory.mktemp("archive")), LIVELY)
        lab.run()
    assert {"h", "e", "b", "c"} == {said.experiment[0] for said in lab.log}
    return lab.log


def test_an_experiment_is_one_trace(log: Sequence[Envelope]) -> None:
    """As many traces as experiments, the campaign's own among them; every event stands in exactly one span."""
    found = traces.spans(log)
    by_trace = defaultdict(set)
    for span in found:
        by_trace[span.trace] |= {said.experiment for said in span.said}
    assert sorted(map(tuple, by_trace.values())) == sorted({(said.experiment,) for said in log})
    assert Counter(said.seq for span in found for said in span.said) == Counter(said.seq for said in log)


def test_a_trace_has_one_root_and_parents_that_spoke_before(log: Sequence[Envelope]) -> None:
    """So that a viewer draws one tree."""
    found = traces.spans(log)
    assert len({(span.trace, span.id) for span in found}) == len(found)
    began = {(span.trace, span.id): span.said[0].seq for span in found}
    assert {span.trace: 1 for span in found} == Counter(span.trace for span in found if not span.parent)
    for span in found:
        assert not span.parent or began[span.trace, span.parent] < span.said[0].seq


def test_a_span_is_what_one_role_said_upon_one_event(log: Sequence[Envelope]) -> None:
    """Its parent said the cause, or the cause is linked: no causation is lost."""
    by_id = {said.id: said for said in log}
    for span in traces.spans(log):
        assert len({(said.cause, said.role, said.experiment) for said in span.said}) == 1
        cause = by_id.get(span.said[0].cause or "")
        if cause:
            theirs = tuple(cause.traceparent.split("-")[1:3])
            assert theirs == (span.link or (span.trace, span.parent))


def test_what_is_exported_again_has_the_same_spans(log: Sequence[Envelope]) -> None:
    """Read back from its bytes, a log gives the ids that its messages carried: nothing is parented anew."""
    again = [decode(encode(said), said.seq) for said in log]
    assert traces.otlp(traces.spans(again)) == traces.otlp(traces.spans(log))
    carried = {json.loads(encode(said))["traceparent"] for said in log}
    assert {f"00-{span.trace}-{span.id}-01" for span in traces.spans(log)} == carried


def test_the_form_is_that_of_otlp(log: Sequence[Envelope]) -> None:
    """Ids in hex of their lengths, times as texts that do not run backwards, a resource for each process."""
    body = json.loads(json.dumps(traces.otlp(traces.spans(log))))
    names = set()
    for resource in body["resourceSpans"]:
        own = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
        names.add(own["service.name"])
        for span in resource["scopeSpans"][0]["spans"]:
            assert len(bytes.fromhex(span["traceId"])) == 16
            assert len(bytes.fromhex(span["spanId"])) == 8
            assert 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
            assert span["kind"] == 1
    assert names == {said.role for said in log}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve an address that takes whatever is posted, and keep it."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_collector_gets_every_span(
    log: Sequence[Envelope], collector: tuple[str, list[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In requests of a bounded size, on the path that the standard names."""
    address, taken = collector
    monkeypatch.setenv(traces.ENDPOINT, address + "/")
    monkeypatch.setattr(traces, "SPANS_PER_REQUEST", 10)
    found = traces.spans(log)
    assert traces.send(found) == address
    assert {path for path, _ in taken} == {"/v1/traces"}
    sent = [
        span["spanId"]
        for _, body in taken
        for resource in json.loads(body)["resourceSpans"]
        for span in resource["scopeSpans"][0]["spans"]
    ]
    assert sorted(sent) == sorted(span.id for span in found)


def test_without_a_collector_it_says_which_variable_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.delenv(traces.ENDPOINT, raising=False)
    with pytest.raises(LabError, match=traces.ENDPOINT):
        traces.send([])
