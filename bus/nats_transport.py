"""The transport over NATS JetStream.

Publishing waits for the stream's acknowledgement and tries again while the server is away: a message id makes that
safe. Consumers are pull consumers, so that adding a process shares the work. Nothing here outlives a lost server: every
wait is bounded and begins again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from bus.envelope import CONTENT_TYPE
from bus.subjects import STREAMS, Stream
from bus.transport import Durable, LogFull, NoAnswer, Stored, TransportError

WRONG_LAST_SEQUENCE = 10071
STORE_FAILED = {10077, 10047, 10023}
"""Maximum bytes exceeded, insufficient storage, insufficient resources."""
PATIENCE = 60.0
"""Seconds to go on trying to publish while the server is away."""
_AWAY = (
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    NoStreamResponseError,
    ConnectionError,
)


@dataclass(frozen=True, slots=True)
class NatsDelivery:
    """A JetStream message lent to us."""

    message: Msg
    stored: Stored
    deliveries: int

    async def ack(self) -> None:
        """Acknowledge and wait until the server has noted it."""
        with contextlib.suppress(*_AWAY):  # an unacknowledged message comes again, and is then dropped as known
            await self.message.ack_sync(timeout=2.0)

    async def nak(self, delay: float) -> None:
        """Give it back for later."""
        with contextlib.suppress(*_AWAY):
            await self.message.nak(delay=delay)

    async def in_progress(self) -> None:
        """Keep it."""
        with contextlib.suppress(*_AWAY):
            await self.message.in_progress()


class NatsTransport:
    """A connection to a NATS server with JetStream."""

    def __init__(self, client: Client) -> None:
        """Wrap a connected client."""
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=5.0)
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}

    @classmethod
    async def connect(cls, url: str, *, name: str, creds: str | None = None, wait: float = 10.0) -> Self:
        """Connect within `wait` seconds. Raises TransportError with the address and what to do."""
        quiet = _say_nothing
        try:
            async with asyncio.timeout(wait):
                client = await nats.connect(
                    url,
                    name=name,
                    user_credentials=creds,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.2,
                    connect_timeout=2,
                    allow_reconnect=True,
                    error_cb=quiet,
                    pending_size=64 << 20,
                )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            reason = str(error) or type(error).__name__
            raise TransportError(f"no NATS server answers at {url} ({reason}); start one or leave --nats out") from None
        return cls(client)

    async def provision(self, *, replicas: int = 1) -> None:
        """Create the lab's streams where they are missing. Raises TransportError without JetStream."""
        try:
            for stream in STREAMS:
                with contextlib.suppress(NotFoundError):
                    await self._js.stream_info(stream.name)
                    continue
                await self._js.add_stream(_config(stream, replicas))
        except (APIError, *_AWAY) as error:
            raise TransportError(f"the NATS server can't keep the lab's streams: {error}; start it with -js") from None

    async def publish(self, subject: str, payload: bytes, message_id: str, *, once: bool = False) -> int | None:
        """Append; see Transport."""
        headers = {"Content-Type": CONTENT_TYPE, "Nats-Msg-Id": message_id}
        if once:
            headers["Nats-Expected-Last-Subject-Sequence"] = "0"
        for attempt in _attempts(PATIENCE):
            try:
                ack = await self._js.publish(subject, payload, headers=headers, timeout=5.0)
            except APIError as error:
                if error.err_code == WRONG_LAST_SEQUENCE:
                    return None
                if error.err_code in STORE_FAILED:
                    raise LogFull(f"the log is full: {error.description}; free disk space and run again") from None
                raise TransportError(f"publish on {subject}: {error}") from None
            except _AWAY:
                await asyncio.sleep(attempt)
            else:
                return None if ack.duplicate else ack.seq
        raise TransportError(f"publish on {subject}: the NATS server did not acknowledge within {PATIENCE:.0f} s")

    async def pull(self, durable: Durable, timeout: float) -> NatsDelivery | None:
        """Take one message; see Transport."""
        try:
            subscription = await self._subscription(durable)
            message = await subscription.fetch(1, timeout=timeout)
        except nats.errors.TimeoutError:
            return None
        except (APIError, *_AWAY):
            self._pulls.pop(durable.name, None)
            await asyncio.sleep(0.2)
            return None
        return _delivery(message[0])

    async def _subscription(self, durable: Durable) -> JetStreamContext.PullSubscription:
        """Return the shared subscription to a durable, creating the consumer where it is missing."""
        if durable.name not in self._pulls:
            config = api.ConsumerConfig(
                durable_name=durable.name,
                filter_subjects=list(durable.filters),
                ack_wait=durable.ack_wait,
                max_deliver=-1,  # the actor counts deliveries, so that a last one still ends in a dead letter
                max_ack_pending=4096,
            )
            await self._js.add_consumer(durable.stream, config)
            self._pulls[durable.name] = await self._js.pull_subscribe_bind(durable.name, durable.stream)
        return self._pulls[durable.name]

    async def follow(
        self, stream: str, after: int, subject: str = ">", max_batch: int = 256
    ) -> AsyncIterator[Sequence[Stored]]:
        """Read on for ever; see Transport."""
        while True:
            try:
                async for batch in self._read(stream, after, subject, max_batch):
                    after = batch[-1].seq
                    yield batch
            except (APIError, *_AWAY, nats.errors.Error):
                await asyncio.sleep(0.2)

    async def _read(self, stream: str, after: int, subject: str, max_batch: int) -> AsyncIterator[Sequence[Stored]]:
        """Read with one ordered consumer until it fails."""
        config = api.ConsumerConfig(deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
        reader = await self._js.subscribe(subject, stream=stream, ordered_consumer=True, config=config)
        try:
            while True:
                try:
                    batch = [_stored(await reader.next_msg(timeout=5.0))]
                except nats.errors.TimeoutError:
                    if not self._client.is_connected:
                        raise
                    continue
                while reader.pending_msgs and len(batch) < max_batch:
                    batch.append(_stored(await reader.next_msg(timeout=1.0)))
                yield batch
        finally:
            with contextlib.suppress(Exception):
                await reader.unsubscribe()

    async def last_seq(self, stream: str) -> int:
        """Return the newest position; see Transport."""
        try:
            return (await self._js.stream_info(stream)).state.last_seq
        except (APIError, *_AWAY) as error:
            raise TransportError(f"stream {stream}: {error}") from None

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Ask; see Transport."""
        try:
            return (await self._client.request(subject, payload, timeout=timeout)).data
        except _AWAY as error:
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

        await self._client.subscribe(subject, queue="lab", cb=start)

    async def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception):
            await self._client.close()


def _attempts(patience: float) -> list[float]:
    """Return the waits between attempts, in seconds, that add up to about `patience`."""
    waits = [0.05, 0.1, 0.2, 0.4]
    return waits + [0.5] * int((patience - sum(waits)) / 0.5)


def _config(stream: Stream, replicas: int) -> api.StreamConfig:
    """Return a stream's JetStream settings."""
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW if stream.append_only else api.DiscardPolicy.OLD,
        deny_delete=stream.append_only,
        deny_purge=stream.append_only,
        max_bytes=stream.max_bytes,
        max_age=stream.max_age,
        duplicate_window=stream.duplicate_window,
        num_replicas=replicas,
    )


def _stored(message: Msg) -> Stored:
    """Return a message with its place in the stream."""
    return Stored(message.metadata.sequence.stream, message.subject, message.data)


def _delivery(message: Msg) -> NatsDelivery:
    """Return a message with its delivery count."""
    return NatsDelivery(message, _stored(message), message.metadata.num_delivered or 1)


async def _say_nothing(_: Exception) -> None:
    """Keep the client from printing tracebacks while it reconnects."""
