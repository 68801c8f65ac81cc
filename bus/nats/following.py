"""How a stream is followed: a reader asks for the messages past its position, and news only tells it when to ask.

Nothing is left on the server. What is said on a stream's subjects is announced to the reader a moment before the
stream has stored it, so the reader lets news gather for that moment and then reads all of it at once. Who lets it
gather for long needs no news: to be told of every message costs more than to ask now and then in vain. Nor does who
knows when it wants them: it says so.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md (batched direct get)
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

from bus.wire.stored import Stored
from bus.wire.subjects import STREAMS

GATHER_S = 0.003
"""Seconds that news gathers before it is read: about what storing a message takes."""
POLLING_GATHER_S = 0.2
"""Seconds of gathering from which on a reader asks without being told of news."""
FIRST_POLL_S, MAX_POLL_S = 0.05, 1.0
"""Seconds after which a reader that has read everything looks again, at first and at last, should news be lost."""
READ_TIMEOUT_S = 2.0
"""Seconds in which an answer has to go on."""
MAX_READ_BYTES = 4 << 20
"""Size of a batch."""


def direct_get_subject(stream: str) -> str:
    """Return the subject on which a stream's messages are asked for."""
    return f"$JS.API.DIRECT.GET.{stream}"


class Follower:
    """A reader of one stream."""

    def __init__(self, client: Client, stream: str, subject: str, max_batch: int) -> None:
        """Read what of a stream matches `subject`, at most `max_batch` messages at once."""
        self._client = client
        self._stream = stream
        self._subject = subject
        self._max_batch = max_batch
        self._news = asyncio.Event()
        self._inbox = client.new_inbox()
        self._asked = 0
        self._batch: list[Stored] = []
        self._ended = asyncio.Event()
        self._fault: Exception | None = None

    async def follow(
        self, after: int, gather: float, heed: Callable[[], None], wanted: asyncio.Event | None = None
    ) -> AsyncIterator[Sequence[Stored]]:
        """Yield batches for ever; news gathers for `gather` seconds. `heed` raises where reading has to end.

        It is called before every reading and again where one failed. Who sets `wanted` is told of no news.
        """
        told = gather < POLLING_GATHER_S and wanted is None
        self._news = wanted or self._news
        async with self._listening(told=told):
            pause = GATHER_S
            while True:
                heed()
                try:
                    batch = await self._read(after)
                except (APIError, nats.errors.Error, ConnectionError, TimeoutError):
                    heed()
                    await asyncio.sleep(0.2)
                    continue
                if batch:
                    after, pause = batch[-1].seq, FIRST_POLL_S
                    yield batch
                if len(batch) == self._max_batch:
                    continue
                if gather < POLLING_GATHER_S:
                    pause = await self._wait(pause, max(gather, GATHER_S))
                else:
                    await asyncio.sleep(gather)

    async def _wait(self, pause: float, gather: float) -> float:
        """Wait for news and let it gather, or until the pause is over; return the pause that follows one in vain.

        What is said while news gathers is news again: it may not be stored yet when the gathered is read.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._news.wait()
        if not self._news.is_set():
            return min(2 * pause, MAX_POLL_S)
        self._news.clear()
        await asyncio.sleep(gather)
        return GATHER_S

    @contextlib.asynccontextmanager
    async def _listening(self, *, told: bool) -> AsyncIterator[None]:
        """Hear the answers to what is asked of the stream and, if told of news, what is said on what it keeps."""

        async def tell(_: Msg) -> None:
            self._news.set()

        kept = next(one.subjects for one in STREAMS if one.name == self._stream)
        subscriptions = [
            await self._client.subscribe(one, cb=tell, pending_msgs_limit=64)
            for one in (() if not told else kept if self._subject == ">" else (self._subject,))
        ]
        subscriptions.append(await self._client.subscribe(f"{self._inbox}.*", cb=self._hear))
        try:
            yield
        finally:
            for subscription in subscriptions:
                with contextlib.suppress(Exception):
                    await subscription.unsubscribe()

    async def _read(self, after: int) -> Sequence[Stored]:
        """Return the next messages past a position; none where there are none yet. Raises what the asking fails of."""
        self._asked += 1
        self._batch, self._fault = [], None
        self._ended.clear()
        asked: dict[str, Any] = {"seq": after + 1, "batch": self._max_batch, "max_bytes": MAX_READ_BYTES}
        body = json.dumps(asked | {"next_by_subj": self._subject}).encode()
        await self._client.publish(direct_get_subject(self._stream), body, reply=f"{self._inbox}.{self._asked}")
        while not self._ended.is_set():
            heard = len(self._batch)
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    await self._ended.wait()
            except TimeoutError:
                if len(self._batch) == heard:
                    raise
        if self._fault:
            raise self._fault
        return self._batch

    async def _hear(self, message: Msg) -> None:
        """Take a message of the answer, or its end; the answer to an earlier question comes too late."""
        if message.subject != f"{self._inbox}.{self._asked}":
            return
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._batch.append(Stored(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data))
            return
        if status not in {"204", "404"}:
            self._fault = nats.errors.NoRespondersError()
        self._ended.set()
