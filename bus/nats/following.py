"""Following a stream: the reader requests the messages after its position, and waits for news in between.

A prompt reader subscribes to the stream's subjects, and each message that comes is news: a hint to read, no more. The
hint comes slightly before the stream has stored the message, so the reader waits `GATHER_S` and reads all that is new.
A reader that accepts a long delay polls instead, since hints for all messages cost more than some empty reads. A reader
with a `news_request` gets no hints either: it reads when the event is set, and polls otherwise.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

from bus.nats.batch_get import BatchReader
from bus.nats.subscriptions import subscribed
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import STREAMS

GATHER_S = 0.003
"""Time from news to the read: about what the stream needs to store a message."""
POLLING_GATHER_S = 0.2
"""A reader that accepts at least this delay polls, and gets no hints."""
FIRST_POLL_S, MAX_POLL_S = 0.05, 1.0
"""How long a reader that has read everything waits for news at first, and at most: a hint may be lost."""
RETRY_DELAY_S = 0.2
MAX_PENDING_HINTS = 64


class Follower:
    """Follows one stream."""

    def __init__(
        self, client: Client, stream: str, subject: str, max_batch: int, raise_if_ended: Callable[[], None]
    ) -> None:
        """Read the messages that match `subject`, at most `max_batch` at once.

        `raise_if_ended` is called before every read, and after one that failed; it raises if reading has to end.
        """
        self._client = client
        self._stream = stream
        self._subject = subject
        self._max_batch = max_batch
        self._raise_if_ended = raise_if_ended
        self._reader = BatchReader(client, stream, subject, max_batch)

    async def follow(
        self, after: int, batch_delay: float, news_request: asyncio.Event | None = None
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """Yield batches without an end; see Transport. Raises what `raise_if_ended` raises."""
        polls = batch_delay >= POLLING_GATHER_S
        news = _News(news_request or asyncio.Event(), max(batch_delay, GATHER_S))
        hints = contextlib.nullcontext() if polls or news_request else self._hints(news)
        async with self._reader.receiving(), hints:
            while True:
                batch = await self._read(after)
                if batch:
                    after = batch[-1].seq
                    news.expect_soon()
                    yield batch
                if len(batch) == self._max_batch:
                    continue
                await (asyncio.sleep(batch_delay) if polls else news.wait())

    async def _read(self, after: int) -> Sequence[StoredMessage]:
        """Return the next batch, empty if nothing is new; while the server is away, retry."""
        while True:
            self._raise_if_ended()
            try:
                return await self._reader.read(after)
            except (APIError, nats.errors.Error, ConnectionError, TimeoutError):
                self._raise_if_ended()
                await asyncio.sleep(RETRY_DELAY_S)

    def _hints(self, news: "_News") -> contextlib.AbstractAsyncContextManager[None]:
        """Note every message on the followed subjects as news while the context lasts."""

        async def note(_: Msg) -> None:
            news.event.set()

        stream_subjects = next(stream.subjects for stream in STREAMS if stream.name == self._stream)
        subjects = stream_subjects if self._subject == ">" else (self._subject,)
        return subscribed(self._client, subjects, note, MAX_PENDING_HINTS)


class _News:
    """What a reader waits for between two reads, at most for a time that doubles while nothing comes."""

    def __init__(self, event: asyncio.Event, gather: float) -> None:
        self.event = event
        self._gather = gather
        self._limit = GATHER_S

    def expect_soon(self) -> None:
        """Wait only briefly the next time."""
        self._limit = FIRST_POLL_S

    async def wait(self) -> None:
        """Return some time after there is news, or at the time limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limit):
                await self.event.wait()
        if not self.event.is_set():
            self._limit = min(2 * self._limit, MAX_POLL_S)
            return
        self.event.clear()  # before the sleep: later news may not be stored yet at the next read
        await asyncio.sleep(self._gather)
        self._limit = GATHER_S
