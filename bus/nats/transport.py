"""The transport over NATS JetStream.

Publishing waits for the stream's acknowledgement and tries again while the server is away: a message id makes that
safe. Consumers are pull consumers, so that adding a process shares the work. Nothing here outlives a lost server: every
wait is bounded and begins again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError

from bus.delivery.transport import Durable, LogFull, NoAnswer, TransportError
from bus.nats.connection import ANONYMOUS, SERVER_AWAY_ERRORS, Connection
from bus.nats.following import Follower, direct_get_subject
from bus.nats.provisioning import FROM_FIRST_POSITION, provide_consumer, provision
from bus.security.identity import Identity
from bus.wire.envelope import CONTENT_TYPE
from bus.wire.stored import Stored

WRONG_LAST_SEQUENCE = 10071
STORE_FULL_CODES = {10077, 10047, 10023}
"""Maximum bytes exceeded, insufficient storage, insufficient resources."""
PUBLISH_PATIENCE_S = 60.0
"""Seconds to go on trying to publish while the server is away."""


@dataclass(frozen=True, slots=True)
class NatsDelivery:
    """A JetStream message lent to us."""

    message: Msg
    stored: Stored
    deliveries: int
    waiting: int

    async def ack(self) -> None:
        """Acknowledge, without waiting for the server to note it: a message that comes again is dropped as known."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.ack()

    async def nak(self, delay: float) -> None:
        """Give it back for later."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.nak(delay=delay)

    async def in_progress(self) -> None:
        """Keep it."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.in_progress()


class NatsTransport:
    """A connection to a NATS server with JetStream."""

    def __init__(self, connection: Connection) -> None:
        """Speak over a connection."""
        self._connection = connection
        self._js: JetStreamContext = connection.client.jetstream(timeout=5.0)
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}

    @classmethod
    async def connect(cls, url: str, *, name: str, identity: Identity = ANONYMOUS, wait: float = 10.0) -> Self:
        """Connect within `wait` seconds. Raises Denied, TransportError with the address and what to do."""
        return cls(await Connection.open(url, name=name, identity=identity, wait=wait))

    @property
    def client(self) -> Client:
        """The client, for what is no part of the contract."""
        return self._connection.client

    @property
    def server_id(self) -> str:
        """The server's own id, as its monitoring tells it too."""
        return self._connection.server_id

    async def provision(
        self, durables: Iterable[Durable] = (), *, replicas: int = 1, begins: Mapping[str, int] = FROM_FIRST_POSITION
    ) -> None:
        """Create the lab's streams and consumers; see `bus.nats.provisioning`. Raises TransportError."""
        await provision(self._js, durables, replicas, begins)

    async def publish(self, subject: str, payload: bytes, message_id: str, last: int | None = None) -> int | None:
        """Append; see Transport."""
        headers = {"Content-Type": CONTENT_TYPE, "Nats-Msg-Id": message_id}
        if last is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(last)
        for attempt in _attempts(PUBLISH_PATIENCE_S):
            try:
                ack = await self._js.publish(subject, payload, headers=headers, timeout=5.0)
            except APIError as error:
                if error.err_code == WRONG_LAST_SEQUENCE:
                    return None
                if error.err_code in STORE_FULL_CODES:
                    raise LogFull(f"the log is full: {error.description}; free disk space and run again") from None
                raise TransportError(f"publish on {subject}: {error}") from None
            except SERVER_AWAY_ERRORS:
                self._connection.raise_if_denied(subject)
                await asyncio.sleep(attempt)
            else:
                return None if ack.duplicate else ack.seq
        raise TransportError(
            f"publish on {subject}: the NATS server did not acknowledge within {PUBLISH_PATIENCE_S:.0f} s"
        )

    async def pull(self, durable: Durable, timeout: float) -> NatsDelivery | None:
        """Take one message; see Transport."""
        _raise_if_cancelled()
        try:
            subscription = await self._subscription(durable)
            message = await subscription.fetch(1, timeout=timeout)
        except nats.errors.TimeoutError:
            self._connection.raise_if_denied(f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}")
            return None
        except (APIError, *SERVER_AWAY_ERRORS):
            self._pulls.pop(durable.name, None)
            await asyncio.sleep(0.2)
            return None
        return _delivery(message[0])

    async def _subscription(self, durable: Durable) -> JetStreamContext.PullSubscription:
        """Return the shared subscription to a durable; who may create the consumer does where it is missing."""
        if durable.name not in self._pulls:
            create = f"$JS.API.CONSUMER.DURABLE.CREATE.{durable.stream}.{durable.name}"
            if self._connection.identity.may_provision and not self._connection.denied.contains(create):
                await provide_consumer(self._js, durable)
            self._pulls[durable.name] = await self._js.pull_subscribe_bind(durable.name, durable.stream)
        return self._pulls[durable.name]

    def follow(
        self,
        stream: str,
        after: int,
        subject: str = ">",
        max_batch: int = 256,
        gather: float = 0.0,
        wanted: asyncio.Event | None = None,
    ) -> AsyncIterator[Sequence[Stored]]:
        """Read on for ever; see Transport. Raises Denied."""

        def heed() -> None:
            _raise_if_cancelled()
            self._connection.raise_if_denied(direct_get_subject(stream))

        return Follower(self.client, stream, subject, max_batch).follow(after, gather, heed, wanted)

    async def last_seq(self, stream: str) -> int:
        """Return the newest position; see Transport."""
        try:
            return (await self._js.stream_info(stream)).state.last_seq
        except (APIError, *SERVER_AWAY_ERRORS) as error:
            self._connection.raise_if_denied(f"$JS.API.STREAM.INFO.{stream}")
            kind = TransportError if isinstance(error, APIError) else NoAnswer
            raise kind(f"stream {stream}: {error}") from None

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Ask; see Transport."""
        try:
            return (await self.client.request(subject, payload, timeout=timeout)).data
        except SERVER_AWAY_ERRORS as error:
            self._connection.raise_if_denied(subject)
            raise NoAnswer(f"nobody answers on {subject} ({type(error).__name__})") from None

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer; see Transport. Requests are answered concurrently."""
        tasks: set[asyncio.Task[None]] = set()

        async def reply(message: Msg) -> None:
            await message.respond(await handler(message.data))

        async def start(message: Msg) -> None:
            task = asyncio.create_task(reply(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        await self.client.subscribe(subject, queue="lab", cb=start)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def _raise_if_cancelled() -> None:
    """Raise the cancellation that the client swallowed when an answer came at the same moment.

    Its waits use asyncio.wait_for, which before Python 3.12 prefers the answer; a loop around it would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _attempts(patience: float) -> list[float]:
    """Return the waits between attempts, in seconds, that add up to about `patience`."""
    waits = [0.05, 0.1, 0.2, 0.4]
    return waits + [0.5] * int((patience - sum(waits)) / 0.5)


def _stored(message: Msg) -> Stored:
    """Return a message with its place in the stream."""
    return Stored(message.metadata.sequence.stream, message.subject, message.data)


def _delivery(message: Msg) -> NatsDelivery:
    """Return a message with what the server tells of its delivery."""
    told = message.metadata
    return NatsDelivery(message, _stored(message), told.num_delivered or 1, told.num_pending or 0)
