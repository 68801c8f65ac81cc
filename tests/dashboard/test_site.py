"""The live page over HTTP: who may look, what they are sent, and that they can do nothing but look."""

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
    """Return a report, of a lab that answers."""
    return "<!doctype html>\n<p>the report</p>\n"


@contextmanager
def served(board: Board, host: str = "127.0.0.1", write: Callable[[], str] = report) -> Iterator[int]:
    """Serve a board for a while and yield the port."""
    with Site(host, 0, board, write) as there:
        thread = threading.Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield there.server_address[1]
        finally:
            board.close()
            there.shutdown()
            thread.join(10)


@contextmanager
def asked(port: int, path: str, method: str = "GET") -> Iterator[HTTPResponse]:
    """Make a request."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path)
        with connection.getresponse() as reply:
            yield reply


def told(reply: HTTPResponse) -> dict[str, str]:
    """Return the next parts that a stream tells."""
    while (line := reply.readline().decode()) != "event: parts\n":
        assert line, "the stream ended"
    return json.loads(reply.readline().decode().removeprefix("data: "))


@pytest.fixture
def now(make_campaign: Make, make_standing: Callable) -> LiveSnapshot:
    """Return a moment of a campaign."""
    found = tuple(make_campaign(8))
    return LiveSnapshot(make_standing(list(found), finished=False), found, said=[(1, "it begins")])


def test_a_stream_tells_all_parts_and_then_what_changed(now: LiveSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event leaves the pictures of experiments alone; a moment like the last tells nothing; the end ends it."""
    monkeypatch.setattr(site, "REDRAW_REST_FACTOR", 0.0)
    board = Board()
    board.show(now)
    with served(board) as port, asked(port, "/stream") as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        assert set(told(reply)) == set(PARTS)
        board.show(replace(now, said=[(2, "<b>it goes on</b>"), (1, "it begins")]))
        changed = told(reply)
        assert set(changed) == {"log"}
        assert "&lt;b&gt;it goes on" in changed["log"]
        board.show(replace(now, experiments=now.experiments[:-1], said=[(3, "x")]))
        assert {"log", "leaderboard", "time", "lineage"} <= set(told(reply))
        board.close()
        reply.read()


def test_large_parts_rest_after_they_were_drawn(now: LiveSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often experiments change; they are drawn when their time has come, though nothing else changes."""
    monkeypatch.setattr(site, "REDRAW_REST_FACTOR", 1e9)
    board = Board()
    board.show(now)
    changes = board.changes(patience=0.01)
    assert set(next(changes)) == set(PARTS)
    board.show(replace(now, experiments=now.experiments[:-1], said=[(2, "x")]))
    assert set(next(changes)) == {"head", "log"}
    board._due = 0.0
    assert set(next(changes)) >= {"leaderboard", "time", "lineage"}


def test_the_page_holds_what_the_stream_would_tell(now: LiveSnapshot, read_page: Callable) -> None:
    """A browser without scripts sees the moment it asked; no cache and no frame keeps it."""
    board = Board()
    board.show(now)
    with served(board) as port, asked(port, "/") as reply:
        shown = read_page(reply.read().decode())
        assert "it begins" in shown.by_id("log").text
        assert reply.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/healthz", "GET", 200), ("/report", "GET", 200), ("/report?x=1", "GET", 200), ("/../lab.toml", "GET", 404),
     ("/etc/passwd", "GET", 404), ("/", "POST", 501), ("/", "PUT", 501), ("/stream", "DELETE", 501)],
)  # fmt: skip
def test_there_are_four_paths_to_look_at(path: str, method: str, status: int) -> None:
    """And nothing to send to."""
    with served(Board()) as port, asked(port, path, method) as reply:
        assert reply.status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8037", 200), ("127.0.0.1", 200), ("[::1]:8037", 200), ("[0::1]", 200), ("lab.example:8037", 403),
     ("127.0.0.1.lab.example", 403), ("", 403), ("[", 403)],
)  # fmt: skip
def test_a_name_that_is_not_this_machines_is_refused(host: str, status: int) -> None:
    """A foreign page that has its own name resolve to this machine can't read the lab through a browser."""
    with served(Board()) as port, closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.putrequest("GET", "/healthz", skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        assert connection.getresponse().status == status


def test_who_leaves_is_no_fault(now: LiveSnapshot, capfd: pytest.CaptureFixture[str]) -> None:
    """A browser that goes in the middle of an answer leaves no traceback."""
    board = Board()
    board.show(now)
    with served(board) as port:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as visitor:
                visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # go with a reset
                visitor.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                visitor.recv(1)
        with asked(port, "/healthz") as reply:
            assert reply.status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_report_that_can_not_be_had_says_why() -> None:
    """One line, and the page goes on."""

    def silent() -> str:
        raise OSError("memory does not answer")

    with served(Board(), write=silent) as port:
        with asked(port, "/report") as reply:
            assert (reply.status, reply.read()) == (503, b"memory does not answer\n")
        with asked(port, "/healthz") as reply:
            assert reply.status == 200


def test_places_for_lookers_on_are_counted(monkeypatch: pytest.MonkeyPatch, now: LiveSnapshot) -> None:
    """One too many is told so; who leaves makes room."""
    monkeypatch.setattr(site, "MAX_STREAMS", 1)
    monkeypatch.setattr(site.Board.changes, "__defaults__", (0.01,))
    board = Board()
    with served(board) as port:
        with asked(port, "/stream") as first, asked(port, "/stream") as second:
            assert told(first)
            assert (first.status, second.status) == (200, 503)
        status = 503
        while status == 503:  # until the server has found out that the first has gone
            board.show(replace(now, said=[]))
            with asked(port, "/stream") as third:
                status = third.status
        assert status == 200
