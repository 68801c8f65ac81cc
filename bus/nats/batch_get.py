"""Batched direct get: one request, answered with the next messages of a stream. The server keeps nothing for a reader.

https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus.nats.subscriptions import subscribed
from bus.security.access import direct_get
from bus.wire.stored_message import StoredMessage

READ_TIMEOUT_S = 2.0
"""Time in which the next message of a reply has to come."""
MAX_READ_BYTES = 4 << 20
"""Size of a batch."""
END_STATUSES = {"204", "404"}
"""End of a batch, no message after the position."""


class BatchReader:
    """Reads one stream in batches, with one request at a time."""

    def __init__(self, client: Client, stream: str, subject: str, max_batch: int) -> None:
        """Read the messages of a stream that match `subject`, at most `max_batch` at once."""
        self._client = client
        self._stream = stream
        self._options = {"batch": max_batch, "max_bytes": MAX_READ_BYTES, "next_by_subj": subject}
        self._inbox = client.new_inbox()
        self._number = 0
        """Number of the newest request."""
        self._batch: list[StoredMessage] = []
        self._error: Exception | None = None
        self._ended = asyncio.Event()

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """Receive replies while the context lasts; `read` needs it."""
        return subscribed(self._client, [f"{self._inbox}.*"], self._receive)

    async def read(self, after: int) -> Sequence[StoredMessage]:
        """Return the next messages after a position, or none if there are none yet.

        Raises NoRespondersError, ConnectionError or TimeoutError while the stream is away.
        """
        await self._request(after)
        await self._wait_for_end()
        if self._error:
            raise self._error
        return self._batch

    async def _request(self, after: int) -> None:
        self._number += 1
        self._batch, self._error = [], None
        self._ended.clear()
        body = json.dumps({"seq": after + 1} | self._options).encode()
        await self._client.publish(direct_get(self._stream), body, reply=f"{self._inbox}.{self._number}")

    async def _wait_for_end(self) -> None:
        """Wait until the batch is complete. Raises TimeoutError if no message comes in time."""
        while not self._ended.is_set():
            received = len(self._batch)
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    await self._ended.wait()
            except TimeoutError:
                if len(self._batch) == received:
                    raise nats.errors.TimeoutError from None  # the client's own, which tells that the server is away

    async def _receive(self, message: Msg) -> None:
        """Add a message to the batch, or end it; ignore late replies to an earlier request."""
        if message.subject != f"{self._inbox}.{self._number}":
            return
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._batch.append(StoredMessage(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data))
            return
        if status not in END_STATUSES:
            self._error = nats.errors.NoRespondersError()
        self._ended.set()
