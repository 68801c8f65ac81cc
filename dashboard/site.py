"""The live page over HTTP, read-only: the page, its changes as server-sent events, the report, and a word on health.

Every browser is served by a thread of its own, which waits on the board; whoever feeds the board never waits for them.
Nothing can be sent to this server but a GET of one of four paths.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from time import monotonic
from urllib.parse import urlsplit

from bus.vocabulary.queries import CampaignStatus
from dashboard import live
from dashboard.live import LiveSnapshot
from dashboard.markup import Markup
from dashboard.page import policy
from dashboard.scores import Scores

KEEP_ALIVE_S = 15.0
"""Seconds after which a stream says that it is still there, which also finds out who is gone."""
REDRAW_REST_FACTOR = 10.0
"""How many times as long as it took to draw the large parts they are left as they are: a tenth of a core at most."""
MAX_STREAMS = 64
"""Browsers that may look on at once."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

Report = Callable[[], str]
"""Writes the report of now. Raises OSError where the lab does not answer."""


class Board:
    """What is shown now, drawn once for all who look."""

    def __init__(self) -> None:
        """Begin with nothing to show."""
        self._changed, self._drawing = threading.Condition(), threading.Lock()
        self._now, self._version, self._closed = LiveSnapshot(CampaignStatus()), 1, False
        self._drawn: tuple[int, Mapping[str, Markup]] = (0, {})
        self._slow: tuple[object, Mapping[str, Markup]] = (None, {})
        self._due = 0.0
        self._streams = threading.BoundedSemaphore(MAX_STREAMS)

    def show(self, now: LiveSnapshot) -> None:
        """Show this from now on."""
        with self._changed:
            self._now, self._version = now, self._version + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Send everybody away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def page(self) -> str:
        """Return the whole page as it is now."""
        _, parts = self._parts()
        return live.page(self._now.standing.campaign, parts)

    def changes(self, patience: float = KEEP_ALIVE_S) -> Iterator[Mapping[str, Markup]]:
        """Yield the parts that changed, at first all of them, until the board is closed; none after idle seconds."""
        version, sent = 0, dict[str, Markup]()
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda seen=version: self._closed or self._version > seen, patience)
            version, parts = self._parts()
            yield {name: part for name, part in parts.items() if sent.get(name) != part}
            sent = dict(parts)

    @contextmanager
    def watched(self) -> Iterator[bool]:
        """Take one of the places for those who look on; False where all are taken."""
        there = self._streams.acquire(blocking=False)
        try:
            yield there
        finally:
            if there:
                self._streams.release()

    def _parts(self) -> tuple[int, Mapping[str, Markup]]:
        """Return the version that is shown and its parts; who comes second finds them drawn."""
        with self._drawing:
            with self._changed:
                now, version = self._now, self._version
            begun = monotonic()
            due = self._slow[0] is not now.experiments and begun >= self._due
            if due:
                self._slow = now.experiments, live.slow(Scores(now.experiments))
                self._due = monotonic() + REDRAW_REST_FACTOR * (monotonic() - begun)
            if due or self._drawn[0] != version:
                self._drawn = version, {**live.quick(now), **self._slow[1]}
            return self._drawn


class Site(ThreadingHTTPServer):
    """Serves a board on an address."""

    daemon_threads = True

    def __init__(self, host: str, port: int, board: Board, report: Report) -> None:
        """Listen. Raises OSError where that can't be."""
        self.board, self.report = board, report
        self.local = host in LOCAL
        super().__init__((host, port), _Visit)

    @property
    def url(self) -> str:
        """Where it is found."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over who has left, or was too slow to keep; any other fault is ours and is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


class _Visit(BaseHTTPRequestHandler):
    """One request."""

    timeout = 60.0
    server_version, sys_version = "move37", ""

    @property
    def _site(self) -> Site:
        """Whom the request was made to."""
        assert isinstance(self.server, Site)
        return self.server

    def do_GET(self) -> None:
        """Answer with what lies at a path."""
        if self._site.local and _host(self.headers.get("Host", "")) not in LOCAL:
            # A page elsewhere may have a name of its own resolve to this machine; its browser then tells that name.
            self._say(HTTPStatus.FORBIDDEN, "this address is for this machine alone")
            return
        match self.path.partition("?")[0]:
            case "/":
                self._send(self._site.board.page(), policy(live.SCRIPT, *live.ALLOWED))
            case "/stream":
                self._stream()
            case "/report":
                self._report()
            case "/healthz":
                self._say(HTTPStatus.OK, "ok")
            case _:
                self._say(HTTPStatus.NOT_FOUND, "there is /, /report, /stream and /healthz")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Keep quiet: who looks is no event of the lab's."""

    def _report(self) -> None:
        """Send the report of now."""
        try:
            page = self._site.report()
        except OSError as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        self._send(page)

    def _stream(self) -> None:
        """Send what changes for as long as somebody listens."""
        with self._site.board.watched() as there:
            if not there:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_STREAMS} browsers are looking already")
                return
            self._begin(HTTPStatus.OK, "text/event-stream")
            for changed in self._site.board.changes():
                said = f"event: parts\ndata: {json.dumps(changed)}\n\n" if changed else ": still here\n\n"
                try:
                    self.wfile.write(said.encode())
                    self.wfile.flush()
                except OSError:  # gone, or too slow to keep
                    return

    def _say(self, status: HTTPStatus, words: str) -> None:
        """Answer in a line."""
        self._begin(status, "text/plain; charset=utf-8")
        self.wfile.write(f"{words}\n".encode())

    def _send(self, page: str, also: str | None = None) -> None:
        """Answer with a page, whose policy a header repeats where it is ours to tell."""
        frames = "frame-ancestors 'none'"
        more = {"Content-Security-Policy": f"{also}; {frames}" if also else frames}
        self._begin(HTTPStatus.OK, "text/html; charset=utf-8", more)
        self.wfile.write(page.encode())

    def _begin(self, status: HTTPStatus, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def _host(header: str) -> str:
    """Return the host that a request was made to, without its port; nothing where it is no host."""
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
    try:
        return str(ip_address(host))
    except ValueError:
        return host
