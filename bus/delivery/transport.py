"""The contract of a message system that the lab can use: an append-only log, durable consumers, request and reply.

Two transports implement it, and one test suite covers both: `bus.nats.transport` (JetStream) and
`bus.delivery.memory_transport` (in memory, for tests and simulations).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bus.wire.stored_message import StoredMessage


class TransportError(Exception):
    """The message system failed; the text says why in one line."""


class NoAnswer(TransportError):
    """Nobody answered a request in time."""


class PermissionDenied(TransportError):
    """The server denies this key the subject."""


class LogFull(TransportError):
    """The stream refuses new messages: its limit is reached, or the disk is full."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the stream did with a message."""

    position: int | None
    """Position of the message; None if the stream dropped it."""
    duplicate_of: int | None = None
    """Position of the message that has its id; None if that is not why it was dropped."""


class Delivery(Protocol):
    """A message that one process of a consumer holds until it is acknowledged."""

    @property
    def stored(self) -> StoredMessage:
        """The message."""
        ...

    @property
    def time(self) -> datetime:
        """When the stream stored it."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it has been delivered, including this time."""
        ...

    @property
    def waiting(self) -> int:
        """How many messages of the consumer still waited when it was delivered."""
        ...

    async def ack(self) -> None:
        """Acknowledge it, so that it is not delivered again."""
        ...

    async def nak(self, delay: float) -> None:
        """Give it back, to be delivered again after `delay` seconds."""
        ...

    async def in_progress(self) -> None:
        """Keep it for another `ack_wait` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Durable:
    """A named consumer of a stream; several processes may share it, and each message goes to one of them."""

    name: str
    stream: str
    filters: tuple[str, ...]
    """Patterns of the subjects that it receives."""
    ack_wait: float = 10.0
    """Seconds after which an unacknowledged message is delivered again."""
    batch: int = 1
    """Messages that a process may take at once when so many wait: for an inbox whose messages cost little."""


class Transport(Protocol):
    """The contract."""

    @property
    def reconnects(self) -> int:
        """How often the connection was restored: a server that was down may have lost its newest messages."""
        ...

    @property
    def max_message_bytes(self) -> int:
        """Most bytes of a message."""
        ...

    async def publish(self, subject: str, payload: bytes, message_id: str, expected_last: int | None = None) -> Receipt:
        """Append a message, unless the stream drops it.

        The stream drops a message whose `message_id` it already has from its duplicate window. With `expected_last`, it
        also drops the message unless the newest one on the subject has that position; 0 means that there is none.
        Raises LogFull, PermissionDenied, TransportError.
        """
        ...

    async def pull(self, durable: Durable, timeout: float) -> Delivery | None:
        """Return the next message of a consumer, or None after `timeout` seconds. Raises PermissionDenied."""
        ...

    def follow(
        self,
        stream: str,
        after: int,
        subject: str = ">",
        max_batch: int = 256,
        batch_delay: float = 0.0,
        news_request: asyncio.Event | None = None,
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """Yield the messages of a stream after a position, and all later ones: in order, without gaps, in batches.

        `batch_delay` is how many seconds new messages may wait, since one read of many costs little more than a read of
        one. A reader that sets `news_request` gets new messages at once; until it does, they may wait for a second.
        Raises PermissionDenied.
        """
        ...

    async def read(
        self, stream: str, after: int = 0, subject: str = ">", max_batch: int = 256
    ) -> Sequence[StoredMessage]:
        """Return the next messages of a stream after a position that it has by now, or none. Raises TransportError."""
        ...

    async def next_message(self, stream: str, after: int, subject: str = ">") -> StoredMessage | None:
        """Return the first message on a subject after a position that the stream has by now, or None.

        Unlike `read`, it needs no right by which a message could be stored under another subject.
        Raises TransportError.
        """
        ...

    async def last_seq(self, stream: str) -> int:
        """Return the position of the newest message of a stream, or 0 if it is empty. Raises TransportError."""
        ...

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Return a responder's reply. Raises NoAnswer."""
        ...

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer requests on a subject, in place of an earlier handler of this transport.

        Responders of a subject in several processes share the requests.
        """
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...
