"""The hub: new events and vitals for every browser that is connected, as server-sent events.

An event of the log has its position as its id, and is the CloudEvent as the log has it. A browser that comes back with
`Last-Event-ID` receives what it missed, or `reset` if that is too much. A browser that reads too slowly is
disconnected, and comes back. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

from pydantic_core import to_json

from bus.wire.envelope import Envelope, encode

MAX_STREAMS = 64
"""Browsers that may be connected at once."""
MAX_REPLAYED = 500
"""Newest events that a browser may have missed."""
MAX_QUEUED = 2 * MAX_REPLAYED
"""Messages that may wait for one browser."""
KEEP_ALIVE_S = 15.0
"""Seconds without a message after which a comment is sent, which also detects closed connections."""

_Queue = asyncio.Queue[tuple[int, bytes] | None]


class Hub:
    """Passes messages on to streams; never waits for one."""

    def __init__(self) -> None:
        """Start without streams."""
        self._queues: set[_Queue] = set()
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=MAX_REPLAYED)
        self._newest = 0
        self._closed = False

    @property
    def streams(self) -> int:
        """Number of browsers that are connected."""
        return len(self._queues)

    @property
    def full(self) -> bool:
        """Whether no further browser may connect."""
        return self._closed or len(self._queues) >= MAX_STREAMS

    def remember(self, envelope: Envelope) -> None:
        """Keep an event of the past for browsers that come back."""
        self._newest = envelope.seq
        self._recent.append((envelope.seq, message("log", encode(envelope), envelope.seq)))

    def publish(self, envelope: Envelope) -> None:
        """Send a new event of the log."""
        self.remember(envelope)
        self._send(self._recent[-1])

    def tell(self, kind: str, content: Any) -> None:
        """Send something that is no event of the log."""
        self._send((0, message(kind, to_json(content))))

    def restart(self) -> None:
        """Let every browser load everything again: another campaign is shown."""
        self._recent.clear()
        self._newest = 0
        self.tell("reset", {})

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for queue in self._queues:
            _end(queue)

    async def stream(self, last: int | None = None) -> AsyncIterator[bytes]:
        """Yield messages: those after position `last`, if a browser comes back, then all new ones."""
        with self._subscribed() as queue:
            sent = self._newest if last is None else last
            for seq, payload in self._missed(sent):
                yield payload
                sent = max(sent, seq)
            yield b": connected\n\n"
            while (item := await self._next(queue)) is not None:
                seq, payload = item
                if not seq or seq > sent:
                    yield payload

    def _missed(self, last: int) -> list[tuple[int, bytes]]:
        """Return the messages after a position, or the one that lets the browser load everything again."""
        if last > self._newest or (last < self._newest and (not self._recent or self._recent[0][0] > last + 1)):
            return [(self._newest, message("reset", b"{}"))]
        return [item for item in self._recent if item[0] > last]

    @contextmanager
    def _subscribed(self):  # noqa: ANN202  (a context manager of a private queue)
        queue: _Queue = asyncio.Queue(MAX_QUEUED)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def _next(self, queue: _Queue) -> tuple[int, bytes] | None:
        if self._closed:
            return None
        try:
            return await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
        except TimeoutError:
            return 0, b": keep-alive\n\n"

    def _send(self, item: tuple[int, bytes]) -> None:
        for queue in self._queues:
            try:
                queue.put_nowait(item)
            except asyncio.QueueFull:
                _end(queue)


def _end(queue: _Queue) -> None:
    """Let a stream end, whatever still waits for it."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


def message(kind: str, data: bytes, seq: int = 0) -> bytes:
    """Return a server-sent event; JSON has no line breaks, so the data is one line."""
    identity = b"id: %d\n" % seq if seq else b""
    return identity + b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
