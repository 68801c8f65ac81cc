"""What the lab needs of a message system, in bytes: an append-only log, durable consumers, request and reply.

Two transports keep this contract, and one suite tests both: `bus.nats.transport` (JetStream) and
`bus.delivery.memory_transport` (its in-memory twin, for tests and simulations).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bus.wire.stored import Stored


class TransportError(Exception):
    """The message system could not do what was asked; the text says why in one line."""


class NoAnswer(TransportError):
    """Nobody answered a request in time."""


class PermissionDenied(TransportError):
    """The server does not let this key do it."""


class LogFull(TransportError):
    """The stream refuses new messages: its limit or the disk is reached."""


class Delivery(Protocol):
    """A message lent to one consumer until it is acknowledged."""

    @property
    def stored(self) -> Stored:
        """The message."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it has been handed out, this time included."""
        ...

    @property
    def waiting(self) -> int:
        """How many messages waited behind it when it was handed out."""
        ...

    async def ack(self) -> None:
        """Say that it is done with."""
        ...

    async def nak(self, delay: float) -> None:
        """Give it back, to be handed out again after `delay` seconds."""
        ...

    async def in_progress(self) -> None:
        """Keep it for another `ack_wait`."""
        ...


@dataclass(frozen=True, slots=True)
class Durable:
    """A named consumer that several processes share; each message goes to one of them."""

    name: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: float = 10.0
    """Seconds after which an unacknowledged message is handed out again."""


class Transport(Protocol):
    """The contract."""

    async def publish(self, subject: str, payload: bytes, message_id: str, last: int | None = None) -> int | None:
        """Append a message and return its position, or None where the stream already has it.

        `message_id` is remembered for the stream's duplicate window; `last` makes the stream refuse the message unless
        the newest one on its subject has that position, for 0 unless there is none. Raises LogFull, Denied,
        TransportError.
        """
        ...

    async def pull(self, durable: Durable, timeout: float) -> Delivery | None:
        """Return the next message of a durable consumer, or None after `timeout` seconds."""
        ...

    def follow(
        self,
        stream: str,
        after: int,
        subject: str = ">",
        max_batch: int = 256,
        gather: float = 0.0,
        wanted: asyncio.Event | None = None,
    ) -> AsyncIterator[Sequence[Stored]]:
        """Yield what a stream holds past `after` and all that comes, in order and without gaps, in batches.

        Who can wait lets news gather for `gather` seconds: reading costs little more for many messages than for one.
        Who knows when it can't wait sets `wanted`, is read to soon then, and otherwise within a second.
        """
        ...

    async def last_seq(self, stream: str) -> int:
        """Return the position of the newest message of a stream; 0 where it is empty."""
        ...

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Return a responder's reply. Raises NoAnswer."""
        ...

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer requests on a subject; several responders share them."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
