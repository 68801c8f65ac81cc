"""Serves an application on an address until cancelled, with a bounded number of connections (uvicorn)."""

import asyncio
import contextlib
import socket
from asyncio import TimerHandle
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from dashboard.server.hub import Hub

MAX_CONNECTIONS = 128
"""Connections that are open at once; further ones are closed at once."""
REQUEST_TIMEOUT_S = 15.0
"""Seconds that a browser may take to send the head of its first request."""


class BoundedConnection(H11Protocol):
    """A connection that is closed if there are too many, or if no request comes."""

    _deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take the connection, or close it."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._deadline = self.loop.call_later(REQUEST_TIMEOUT_S, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for a request."""
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class _QuietServer(uvicorn.Server):
    """A server that leaves signals to the service it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address. Raises OSError if it can't be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def serve(app: ASGIApp, listener: socket.socket, hub: Hub) -> None:
    """Serve until cancelled; then end all streams, and close."""
    config = uvicorn.Config(
        app, http=BoundedConnection, ws="none", lifespan="on", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _QuietServer(config)
    work = asyncio.ensure_future(server.serve([listener]))
    try:
        await asyncio.shield(work)
    finally:
        hub.close()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await work
