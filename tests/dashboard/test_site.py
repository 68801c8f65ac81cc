"""The live page over HTTP: its paths, its stream of changes, and the requests that it refuses. It is read-only."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse

import pytest

from bus.vocabulary.queries import Experiment
from dashboard import site
from dashboard.live import PARTS, LiveSnapshot
from dashboard.site import Board, Site

Make = Callable[..., list[Experiment]]


def report() -> str:
    """Return the report of a lab that answers."""
    return "<!doctype html>\n<p>the report</p>\n"


@contextmanager
def serve(board: Board, host: str = "127.0.0.1", write_report: Callable[[], str] = report) -> Iterator[int]:
    """Serve a board until the context ends, and yield the port."""
    with Site(host, 0, board, write_report) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            board.close()
            server.shutdown()
            thread.join(10)


@contextmanager
def request(port: int, path: str, method: str = "GET") -> Iterator[HTTPResponse]:
    """Yield the reply to a request."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path)
        with connection.getresponse() as reply:
            yield reply


def next_parts(reply: HTTPResponse) -> dict[str, str]:
    """Return the next parts of a stream."""
    while (line := reply.readline().decode()) != "event: parts\n":
        assert line, "the stream ended"
    return json.loads(reply.readline().decode().removeprefix("data: "))


@pytest.fixture
def snapshot(make_campaign: Make, make_status: Callable) -> LiveSnapshot:
    """Return a snapshot of a running campaign."""
    experiments = tuple(make_campaign(8))
    return LiveSnapshot(make_status(list(experiments), finished=False), experiments, log_lines=[(1, "first event")])


def test_a_stream_sends_all_parts_and_then_the_changed_ones(
    snapshot: LiveSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new event changes the log alone, a changed experiment also the pictures; closing the board ends the stream."""
    monkeypatch.setattr(site, "REDRAW_REST_FACTOR", 0.0)
    board = Board()
    board.show(snapshot)
    with serve(board) as port, request(port, "/stream") as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        assert set(next_parts(reply)) == set(PARTS)
        board.show(replace(snapshot, log_lines=[(2, "<b>second event</b>"), (1, "first event")]))
        changed = next_parts(reply)
        assert set(changed) == {"log"}
        assert "&lt;b&gt;second event" in changed["log"]
        board.show(replace(snapshot, experiments=snapshot.experiments[:-1], log_lines=[(3, "x")]))
        assert {"log", "leaderboard", "time", "lineage"} <= set(next_parts(reply))
        board.close()
        reply.read()


def test_large_parts_are_rendered_after_a_pause_only(snapshot: LiveSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause delays a changed experiment; after it, the parts are rendered without another change."""
    monkeypatch.setattr(site, "REDRAW_REST_FACTOR", 1e9)
    board = Board()
    board.show(snapshot)
    changes = board.changes(patience=0.01)
    assert set(next(changes)) == set(PARTS)
    board.show(replace(snapshot, experiments=snapshot.experiments[:-1], log_lines=[(2, "x")]))
    assert set(next(changes)) == {"head", "log"}
    board._slow_due = 0.0
    assert set(next(changes)) >= {"leaderboard", "time", "lineage"}


def test_the_page_has_the_parts_of_the_stream(snapshot: LiveSnapshot, read_page: Callable) -> None:
    """A browser without scripts shows the current state; the headers forbid caching and framing."""
    board = Board()
    board.show(snapshot)
    with serve(board) as port, request(port, "/") as reply:
        page = read_page(reply.read().decode())
        assert "first event" in page.by_id("log").text
        assert reply.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/healthz", "GET", 200), ("/report", "GET", 200), ("/report?x=1", "GET", 200), ("/../lab.toml", "GET", 404),
     ("/etc/passwd", "GET", 404), ("/", "POST", 501), ("/", "PUT", 501), ("/stream", "DELETE", 501)],
)  # fmt: skip
def test_the_server_answers_get_requests_on_four_paths(path: str, method: str, status: int) -> None:
    """It refuses any other path with 404, and any other method with 501."""
    with serve(Board()) as port, request(port, path, method) as reply:
        assert reply.status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8037", 200), ("127.0.0.1", 200), ("[::1]:8037", 200), ("[0::1]", 200), ("lab.example:8037", 403),
     ("127.0.0.1.lab.example", 403), ("", 403), ("[", 403)],
)  # fmt: skip
def test_a_foreign_host_name_is_refused(host: str, status: int) -> None:
    """A page whose host name resolves to this machine (DNS rebinding) can't read the lab through a browser."""
    with serve(Board()) as port, closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.putrequest("GET", "/healthz", skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        assert connection.getresponse().status == status


def test_a_closed_connection_is_no_error(snapshot: LiveSnapshot, capfd: pytest.CaptureFixture[str]) -> None:
    """A browser that resets its connection in the middle of an answer causes no traceback."""
    board = Board()
    board.show(snapshot)
    with serve(board) as port:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as browser:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
                browser.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                browser.recv(1)
        with request(port, "/healthz") as reply:
            assert reply.status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_failed_report_gives_its_error() -> None:
    """The reply is one line, and the server keeps serving."""

    def fail() -> str:
        raise OSError("memory does not answer")

    with serve(Board(), write_report=fail) as port:
        with request(port, "/report") as reply:
            assert (reply.status, reply.read()) == (503, b"memory does not answer\n")
        with request(port, "/healthz") as reply:
            assert reply.status == 200


def test_streams_are_limited(monkeypatch: pytest.MonkeyPatch, snapshot: LiveSnapshot) -> None:
    """The server refuses a stream over the limit, until another one is closed."""
    monkeypatch.setattr(site, "MAX_STREAMS", 1)
    monkeypatch.setattr(site.Board.changes, "__defaults__", (0.01,))
    board = Board()
    with serve(board) as port:
        with request(port, "/stream") as stream, request(port, "/stream") as excess_stream:
            assert next_parts(stream)
            assert (stream.status, excess_stream.status) == (200, 503)
        status = 503
        while status == 503:  # until the server has noticed that the first stream is closed
            board.show(replace(snapshot, log_lines=[]))
            with request(port, "/stream") as new_stream:
                status = new_stream.status
        assert status == 200
