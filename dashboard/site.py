"""The live page over HTTP: the page, its changes as server-sent events, the report, and a health check.

Each browser has its own thread, which waits for changes on the board; the thread that feeds the board never waits for
browsers. Read-only: the server answers GET requests on four paths and nothing else.
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
"""Seconds without a change after which a stream sends a comment, which also detects closed connections."""
REDRAW_REST_FACTOR = 10.0
"""The large parts rest for so many times their rendering time: rendering takes a tenth of a core at most."""
MAX_STREAMS = 64
"""Browsers that may be connected at once."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

Report = Callable[[], str]
"""Returns the current report. Raises OSError if the lab does not answer."""


class Board:
    """The newest snapshot and its parts, rendered once for all browsers."""

    def __init__(self) -> None:
        """Start with an empty snapshot."""
        self._changed, self._rendering = threading.Condition(), threading.Lock()
        self._snapshot, self._version, self._closed = LiveSnapshot(CampaignStatus()), 1, False
        self._rendered: tuple[int, Mapping[str, Markup]] = (0, {})
        self._slow: tuple[object, Mapping[str, Markup]] = (None, {})
        self._slow_due = 0.0
        self._streams = threading.BoundedSemaphore(MAX_STREAMS)

    def show(self, snapshot: LiveSnapshot) -> None:
        """Replace the snapshot."""
        with self._changed:
            self._snapshot, self._version = snapshot, self._version + 1
            self._changed.notify_all()

    def close(self) -> None:
        """End all streams."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def page(self) -> str:
        """Return the whole page in its current state."""
        _, parts = self._parts()
        return live.render_page(self._snapshot.status.campaign, parts)

    def changes(self, patience: float = KEEP_ALIVE_S) -> Iterator[Mapping[str, Markup]]:
        """Yield the parts that changed, first all of them, until the board is closed.

        After `patience` seconds without a change, yield an empty mapping.
        """
        version, sent = 0, dict[str, Markup]()
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda old=version: self._closed or self._version > old, patience)
            version, parts = self._parts()
            yield {name: part for name, part in parts.items() if sent.get(name) != part}
            sent = dict(parts)

    @contextmanager
    def reserve_stream(self) -> Iterator[bool]:
        """Reserve one of `MAX_STREAMS` streams; yield False if all are taken."""
        reserved = self._streams.acquire(blocking=False)
        try:
            yield reserved
        finally:
            if reserved:
                self._streams.release()

    def _parts(self) -> tuple[int, Mapping[str, Markup]]:
        """Return the newest version and its parts; each version is rendered once."""
        with self._rendering:
            with self._changed:
                snapshot, version = self._snapshot, self._version
            start = monotonic()
            slow_due = self._slow[0] is not snapshot.experiments and start >= self._slow_due
            if slow_due:
                self._slow = snapshot.experiments, live.slow_parts(Scores(snapshot.experiments))
                self._slow_due = monotonic() + REDRAW_REST_FACTOR * (monotonic() - start)
            if slow_due or self._rendered[0] != version:
                self._rendered = version, {**live.quick_parts(snapshot), **self._slow[1]}
            return self._rendered


class Site(ThreadingHTTPServer):
    """Serves a board on an address."""

    daemon_threads = True

    def __init__(self, host: str, port: int, board: Board, report: Report) -> None:
        """Listen on an address. Raises OSError if it can't be used."""
        self.board, self.report = board, report
        self.local = host in LOCAL
        super().__init__((host, port), _RequestHandler)

    @property
    def url(self) -> str:
        """The address of the page."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that are closed or too slow; print the traceback of any other error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


class _RequestHandler(BaseHTTPRequestHandler):
    timeout = 60.0
    server_version, sys_version = "move37", ""

    @property
    def _site(self) -> Site:
        assert isinstance(self.server, Site)
        return self.server

    def do_GET(self) -> None:
        """Answer with the page, the stream, the report or the health check."""
        if self._site.local and _host(self.headers.get("Host", "")) not in LOCAL:
            # DNS rebinding: a foreign page's host name may resolve to this machine; the Host header then has that name.
            self._send_text(HTTPStatus.FORBIDDEN, "forbidden: this address serves only browsers on this machine")
            return
        match self.path.partition("?")[0]:
            case "/":
                self._send(self._site.board.page(), policy(live.SCRIPT, *live.EXTRA_DIRECTIVES))
            case "/stream":
                self._stream()
            case "/report":
                self._report()
            case "/healthz":
                self._send_text(HTTPStatus.OK, "ok")
            case _:
                self._send_text(HTTPStatus.NOT_FOUND, "not found; hint: paths are /, /report, /stream and /healthz")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Log nothing: requests are no events of the lab."""

    def _report(self) -> None:
        try:
            page = self._site.report()
        except OSError as error:
            self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        self._send(page)

    def _stream(self) -> None:
        """Send changes until the browser closes the connection or the board is closed."""
        with self._site.board.reserve_stream() as reserved:
            if not reserved:
                self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, f"too many browsers are connected ({MAX_STREAMS})")
                return
            self._send_head(HTTPStatus.OK, "text/event-stream")
            for changed in self._site.board.changes():
                message = f"event: parts\ndata: {json.dumps(changed)}\n\n" if changed else ": keep-alive\n\n"
                try:
                    self.wfile.write(message.encode())
                    self.wfile.flush()
                except OSError:  # closed or too slow
                    return

    def _send_text(self, status: HTTPStatus, text: str) -> None:
        self._send_head(status, "text/plain; charset=utf-8")
        self.wfile.write(f"{text}\n".encode())

    def _send(self, page: str, page_policy: str | None = None) -> None:
        """Answer with a page that no other page may frame; `page_policy` repeats the policy in the page."""
        frames = "frame-ancestors 'none'"
        headers = {"Content-Security-Policy": f"{page_policy}; {frames}" if page_policy else frames}
        self._send_head(HTTPStatus.OK, "text/html; charset=utf-8", headers)
        self.wfile.write(page.encode())

    def _send_head(self, status: HTTPStatus, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def _host(header: str) -> str:
    """Return the host of a Host header, without its port; empty if it is invalid."""
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
    try:
        return str(ip_address(host))
    except ValueError:
        return host
