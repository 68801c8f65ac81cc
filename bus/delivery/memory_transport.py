"""The transport in memory: the same contract as over NATS, within one process, for tests and simulations."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bus.delivery.transport import Durable, NoAnswer, Receipt, TransportError
from bus.wire.stored_message import MAX_MESSAGE_BYTES, StoredMessage
from bus.wire.subjects import STREAMS, matches


@dataclass
class _Stream:
    """A stream's messages, with what it needs to drop duplicates."""

    messages: list[StoredMessage] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    """When each message was stored."""
    ids: dict[str, int] = field(default_factory=dict)
    """Message id → position."""
    last: dict[str, int] = field(default_factory=dict)
    """Subject → position of its newest message."""


@dataclass
class _Consumer:
    """A durable consumer's place in its stream."""

    durable: Durable
    next: int = 0
    due: dict[int, float] = field(default_factory=dict)
    """Position → when an unacknowledged message is delivered again."""
    count: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Position → how often it was delivered."""


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """A message that a consumer holds; see Delivery."""

    transport: "MemoryTransport"
    consumer: _Consumer
    stored: StoredMessage
    time: datetime
    deliveries: int
    waiting: int

    async def ack(self) -> None:
        """Acknowledge; see Delivery."""
        self.consumer.due.pop(self.stored.seq, None)

    async def nak(self, delay: float) -> None:
        """Give back; see Delivery."""
        self.consumer.due[self.stored.seq] = time.monotonic() + delay
        await self.transport.wake()

    async def in_progress(self) -> None:
        """Keep for longer; see Delivery."""
        self.consumer.due[self.stored.seq] = time.monotonic() + self.consumer.durable.ack_wait


class MemoryTransport:
    """Streams, consumers and responders in one event loop."""

    def __init__(self) -> None:
        """Start with empty streams."""
        self.reconnects = 0
        self.max_message_bytes = MAX_MESSAGE_BYTES
        self._streams = {stream.name: _Stream() for stream in STREAMS}
        self._consumers: dict[str, _Consumer] = {}
        self._responders: dict[str, Callable[[bytes], Awaitable[bytes]]] = {}
        self._changed = asyncio.Condition()

    async def publish(self, subject: str, payload: bytes, message_id: str, expected_last: int | None = None) -> Receipt:
        """Append; see Transport. A message may be as long as on the lab's own server."""
        if len(payload) > self.max_message_bytes:
            raise TransportError(f"can't publish on {subject}: the message has {len(payload):,d} bytes")
        stream = self._streams[_stream_of(subject)]
        if message_id in stream.ids:
            return Receipt(None, duplicate_of=stream.ids[message_id])
        if expected_last not in (None, stream.last.get(subject, 0)):
            return Receipt(None)
        stream.ids[message_id] = len(stream.messages) + 1
        stream.messages.append(StoredMessage(len(stream.messages) + 1, subject, payload))
        stream.times.append(datetime.now(UTC))
        stream.last[subject] = len(stream.messages)
        await self.wake()
        return Receipt(len(stream.messages))

    async def wake(self) -> None:
        """Wake every coroutine that waits for a change."""
        async with self._changed:
            self._changed.notify_all()

    async def pull(self, durable: Durable, timeout: float) -> MemoryDelivery | None:
        """Take one message; see Transport."""
        consumer = self._consumers.setdefault(durable.name, _Consumer(durable))
        deadline = time.monotonic() + timeout
        async with self._changed:
            while True:
                if stored := self._next(consumer):
                    return self._deliver(consumer, stored)
                if time.monotonic() >= deadline:
                    return None
                await _wait(self._changed, min([deadline, *consumer.due.values()]) - time.monotonic())

    def _deliver(self, consumer: _Consumer, stored: StoredMessage) -> MemoryDelivery:
        consumer.due[stored.seq] = time.monotonic() + consumer.durable.ack_wait
        consumer.count[stored.seq] += 1
        stream = self._streams[consumer.durable.stream]
        waiting = len(stream.messages) - consumer.next
        time_stored = stream.times[stored.seq - 1]
        return MemoryDelivery(self, consumer, stored, time_stored, consumer.count[stored.seq], waiting)

    def _next(self, consumer: _Consumer) -> StoredMessage | None:
        """Return an overdue message, or the next one that the filters match."""
        messages = self._streams[consumer.durable.stream].messages
        now = time.monotonic()
        for seq, due in consumer.due.items():
            if due <= now:
                return messages[seq - 1]
        while consumer.next < len(messages):
            stored = messages[consumer.next]
            consumer.next += 1
            if any(matches(pattern, stored.subject) for pattern in consumer.durable.filters):
                return stored
        return None

    async def follow(
        self,
        stream: str,
        after: int,
        subject: str = ">",
        max_batch: int = 256,
        batch_delay: float = 0.0,
        news_request: asyncio.Event | None = None,  # noqa: ARG002  (new messages cost nothing here)
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """Read without an end; see Transport."""
        messages = self._streams[stream].messages
        while True:
            async with self._changed:
                while len(messages) <= after:
                    await self._changed.wait()
            if batch_delay:
                await asyncio.sleep(batch_delay)
            window = messages[after : after + max_batch]
            after += len(window)
            if batch := [stored for stored in window if matches(subject, stored.subject)]:
                yield batch

    async def read(
        self, stream: str, after: int = 0, subject: str = ">", max_batch: int = 256
    ) -> Sequence[StoredMessage]:
        """Read once; see Transport."""
        later = self._streams[stream].messages[after:]
        return [stored for stored in later if matches(subject, stored.subject)][:max_batch]

    async def next_message(self, stream: str, after: int, subject: str = ">") -> StoredMessage | None:
        """Read one message; see Transport."""
        return next(iter(await self.read(stream, after, subject, max_batch=1)), None)

    async def last_seq(self, stream: str) -> int:
        """Return the newest position; see Transport."""
        return len(self._streams[stream].messages)

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Ask; see Transport."""
        if subject not in self._responders:
            raise NoAnswer(f"no answer on {subject} (NoRespondersError)")
        try:
            async with asyncio.timeout(timeout):  # wait_for can swallow a cancellation
                return await self._responders[subject](payload)
        except TimeoutError:
            raise NoAnswer(f"no answer on {subject} (TimeoutError)") from None

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer; see Transport."""
        self._responders[subject] = handler

    async def close(self) -> None:
        """Release nothing: another user may share this transport."""


def _stream_of(subject: str) -> str:
    """Return the stream that stores a subject. Raises TransportError."""
    for stream in STREAMS:
        if any(matches(pattern, subject) for pattern in stream.subjects):
            return stream.name
    raise TransportError(f"can't publish on {subject}: no stream stores this subject")


async def _wait(condition: asyncio.Condition, seconds: float) -> None:
    """Wait for a change, at most `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0.0) + 0.001):  # wait_for can swallow a cancellation
            await condition.wait()
