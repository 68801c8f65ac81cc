"""The transport over NATS JetStream.

Publishing waits for the stream's acknowledgement and tries again while the server is away: a message id makes that
safe. Consumers are pull consumers, so that adding a process shares the work. Nothing here outlives a lost server: every
wait is bounded and begins again.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn, Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from bus.envelope import CONTENT_TYPE
from bus.following import Follower, direct
from bus.identity import Identity, Refusals
from bus.subjects import STREAMS, Stream
from bus.transport import Denied, Durable, LogFull, NoAnswer, Stored, TransportError

WRONG_LAST_SEQUENCE = 10071
STORE_FAILED = {10077, 10047, 10023}
"""Maximum bytes exceeded, insufficient storage, insufficient resources."""
PATIENCE = 60.0
"""Seconds to go on trying to publish while the server is away."""
NOBODY = Identity()
_FOR_EVER: Mapping[str, Any] = {
    "allow_reconnect": True,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "pending_size": 64 << 20,
}
"""Options of a client that waits for its server however long that takes."""
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
    waiting: int

    async def ack(self) -> None:
        """Acknowledge, without waiting for the server to note it: a message that comes again is dropped as known."""
        with contextlib.suppress(*_AWAY):
            await self.message.ack()

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

    def __init__(self, client: Client, identity: Identity = NOBODY, refusals: Refusals | None = None) -> None:
        """Wrap a connected client."""
        self.client = client
        self._identity = identity
        self._refusals = refusals or Refusals()
        self._js: JetStreamContext = client.jetstream(timeout=5.0)
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}

    @classmethod
    async def connect(cls, url: str, *, name: str, identity: Identity = NOBODY, wait: float = 10.0) -> Self:
        """Connect within `wait` seconds. Raises Denied, TransportError with the address and what to do."""
        refusals, client, tls = Refusals(), Client(), url.startswith("tls://")
        final: Exception | None = None

        async def on_error(error: Exception) -> None:
            """Note what is refused, and keep the client from printing tracebacks while it reconnects."""
            nonlocal final
            refusals.note(error)
            if not client.is_connected and (isinstance(error, ssl.SSLCertVerificationError) or _unwelcome(error)):
                final = error
                limit.reschedule(asyncio.get_running_loop().time())

        async def insist_on_tls() -> None:
            """Leave a server that takes a `tls://` address without encrypting: the client itself would go on."""
            if tls and not client._server_info.get("tls_required"):  # noqa: SLF001  (not told in any other way)
                await client.close()

        try:
            async with asyncio.timeout(wait) as limit:
                await client.connect(
                    url,
                    name=name,
                    error_cb=on_error,
                    reconnected_cb=insist_on_tls,
                    **_FOR_EVER,
                    **identity.options(tls=tls),
                )
                await insist_on_tls()
        except (OSError, TimeoutError, nats.errors.Error) as error:
            await client.close()
            if final and _unwelcome(final):
                raise Denied(f"the NATS server at {url} refuses this {'key' if identity.seed else 'user'}") from None
            if final:
                raise TransportError(f"the NATS server at {url} is not who tls_ca vouches for: {final}") from None
            reason = str(error) or type(error).__name__
            raise TransportError(f"no NATS server answers at {url} ({reason}); start one or leave --nats out") from None
        if client.is_closed:
            raise TransportError(f"the NATS server at {url} does not encrypt; give it a certificate")
        return cls(client, identity, refusals)

    @property
    def server_id(self) -> str:
        """The server's own id, as its monitoring tells it too."""
        return str(self.client._server_info.get("server_id", ""))  # noqa: SLF001  (not told in any other way)

    async def provision(
        self, durables: Iterable[Durable] = (), *, replicas: int = 1, begins: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """Create the lab's streams and consumers as they should be, each kept by `replicas` servers.

        `begins` names the position of a stream's first message, where that is not 1. Raises TransportError without
        JetStream.
        """
        try:
            for stream in STREAMS:
                await self._provide(_config(stream, replicas, begins.get(stream.name)))
            for durable in durables:
                await self._js.add_consumer(durable.stream, _consumer_config(durable))
        except (APIError, *_AWAY) as error:
            raise TransportError(f"the NATS server can't keep the lab's streams: {error}; start it with -js") from None

    async def _provide(self, wanted: api.StreamConfig) -> None:
        """Create a stream, or let an older one be read directly and be kept by more servers."""
        assert wanted.name
        try:
            there = (await self._js.stream_info(wanted.name)).config
        except NotFoundError:
            await self._js.add_stream(wanted)
        else:
            replicas = max(there.num_replicas or 1, wanted.num_replicas or 1)
            if not there.allow_direct or there.num_replicas != replicas:
                await self._js.update_stream(there.evolve(allow_direct=True, num_replicas=replicas))

    async def publish(self, subject: str, payload: bytes, message_id: str, last: int | None = None) -> int | None:
        """Append; see Transport."""
        headers = {"Content-Type": CONTENT_TYPE, "Nats-Msg-Id": message_id}
        if last is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(last)
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
                self._raise_if_denied(subject)
                await asyncio.sleep(attempt)
            else:
                return None if ack.duplicate else ack.seq
        raise TransportError(f"publish on {subject}: the NATS server did not acknowledge within {PATIENCE:.0f} s")

    async def pull(self, durable: Durable, timeout: float) -> NatsDelivery | None:
        """Take one message; see Transport."""
        _heed_cancellation()
        try:
            subscription = await self._subscription(durable)
            message = await subscription.fetch(1, timeout=timeout)
        except nats.errors.TimeoutError:
            self._raise_if_denied(f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}")
            return None
        except (APIError, *_AWAY):
            self._pulls.pop(durable.name, None)
            await asyncio.sleep(0.2)
            return None
        return _delivery(message[0])

    async def _subscription(self, durable: Durable) -> JetStreamContext.PullSubscription:
        """Return the shared subscription to a durable; who may create the consumer does where it is missing."""
        if durable.name not in self._pulls:
            create = f"$JS.API.CONSUMER.DURABLE.CREATE.{durable.stream}.{durable.name}"
            if self._identity.provisions and not self._refusals.has(create):
                await self._js.add_consumer(durable.stream, _consumer_config(durable))
            self._pulls[durable.name] = await self._js.pull_subscribe_bind(durable.name, durable.stream)
        return self._pulls[durable.name]

    def follow(
        self, stream: str, after: int, subject: str = ">", max_batch: int = 256, gather: float = 0.0
    ) -> AsyncIterator[Sequence[Stored]]:
        """Read on for ever; see Transport. Raises Denied."""

        def heed() -> None:
            _heed_cancellation()
            self._raise_if_denied(direct(stream))

        return Follower(self.client, stream, subject, max_batch).follow(after, gather, heed)

    def _raise_if_denied(self, subject: str) -> None:
        """Raise Denied where the server has refused a subject: what it refuses else looks as if it were away."""
        if self._refusals.has(subject):
            _deny(self._identity, subject)

    async def last_seq(self, stream: str) -> int:
        """Return the newest position; see Transport."""
        try:
            return (await self._js.stream_info(stream)).state.last_seq
        except (APIError, *_AWAY) as error:
            self._raise_if_denied(f"$JS.API.STREAM.INFO.{stream}")
            kind = TransportError if isinstance(error, APIError) else NoAnswer
            raise kind(f"stream {stream}: {error}") from None

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Ask; see Transport."""
        try:
            return (await self.client.request(subject, payload, timeout=timeout)).data
        except _AWAY as error:
            self._raise_if_denied(subject)
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
        with contextlib.suppress(Exception):
            await self.client.close()


def _heed_cancellation() -> None:
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


def _config(stream: Stream, replicas: int, begins: int | None = None) -> api.StreamConfig:
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
        allow_direct=True,
        first_seq=begins,
    )


def _consumer_config(durable: Durable) -> api.ConsumerConfig:
    """Return a durable consumer's JetStream settings."""
    return api.ConsumerConfig(
        durable_name=durable.name,
        filter_subjects=list(durable.filters),
        ack_wait=durable.ack_wait,
        max_deliver=-1,  # the actor counts deliveries, so that a last one still ends in a dead letter
        max_ack_pending=4096,
    )


def _unwelcome(error: Exception) -> bool:
    """Say whether an error is the server's refusal of who we are."""
    return "authorization violation" in str(error).lower()


def _deny(identity: Identity, subject: str) -> NoReturn:
    """Raise Denied."""
    raise Denied(f"the NATS server does not let {identity.role or 'this user'} use {subject}")


def _stored(message: Msg) -> Stored:
    """Return a message with its place in the stream."""
    return Stored(message.metadata.sequence.stream, message.subject, message.data)


def _delivery(message: Msg) -> NatsDelivery:
    """Return a message with what the server tells of its delivery."""
    told = message.metadata
    return NatsDelivery(message, _stored(message), told.num_delivered or 1, told.num_pending or 0)
