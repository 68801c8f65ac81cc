"""The transport over NATS JetStream.

`publish` waits for the stream's acknowledgement, and retries while the server is away; the message id makes that safe.
Consumers are pull consumers, so that several processes can share the work. Every wait has a time limit and is repeated,
so a lost server blocks nothing for ever.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from bus.delivery.transport import Durable, LogFull, NoAnswer, Receipt, TransportError
from bus.nats.attempts import ATTEMPT_TIMEOUT_S, attempts
from bus.nats.batch_get import BatchReader
from bus.nats.connection import ANONYMOUS, SERVER_AWAY_ERRORS, Connection
from bus.nats.delivery import NatsDelivery, delivery_of
from bus.nats.following import Follower
from bus.nats.provisioning import (
    ALL_FROM_POSITION_1,
    NO_LIMITS,
    PROVISION_PATIENCE_S,
    provision,
    provision_consumer,
    renew_consumer,
)
from bus.nats.single_get import newest_message, next_message
from bus.security.access import direct_get
from bus.security.identity import Identity
from bus.wire.envelope import CONTENT_TYPE
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import StreamLimits

WRONG_LAST_SEQUENCE = 10071
STORE_FULL_CODES = {10077, 10047, 10023}
"""Maximum bytes exceeded, insufficient storage, insufficient resources."""
PUBLISH_PATIENCE_S = 60.0
"""How long `publish` retries while the server is away."""
READ_PATIENCE_S = 5.0
"""How long `read` retries while the server is away; each attempt has a time limit of its own."""
PULL_RETRY_DELAY_S = 0.2


class NatsTransport:
    """A connection to a NATS server with JetStream."""

    def __init__(self, connection: Connection) -> None:
        """Use an open connection."""
        self._connection = connection
        self._js: JetStreamContext = connection.client.jetstream(timeout=ATTEMPT_TIMEOUT_S)
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}
        self._held: dict[str, deque[Msg]] = {}
        """Messages of a durable that were taken at once and not yet pulled."""
        self._waiting: dict[str, int] = {}
        """How many messages of a durable waited when the newest one came."""
        self._responders: dict[str, Subscription] = {}
        self.patience: float | None = None
        """Seconds that `publish` and `read` retry while the server is away; None for their own limits."""

    @classmethod
    async def connect(cls, url: str, *, name: str, identity: Identity = ANONYMOUS, wait: float = 10.0) -> Self:
        """Connect within `wait` seconds. Raises PermissionDenied, TransportError with the address and what to do."""
        return cls(await Connection.open(url, name=name, identity=identity, wait=wait))

    @property
    def client(self) -> Client:
        """The NATS client, for uses outside the contract."""
        return self._connection.client

    @property
    def ca(self) -> Path | None:
        """Certificate authority of the server; None for those that the system trusts."""
        return self._connection.identity.ca

    @property
    def server_id(self) -> str:
        """The server's own id, which its monitoring endpoint shows too."""
        return self._connection.server_id

    @property
    def reconnects(self) -> int:
        """How often the client has reconnected; see Transport."""
        return self.client.stats["reconnects"]

    @property
    def max_message_bytes(self) -> int:
        """What the server allows; see Transport."""
        return self.client.max_payload

    async def provision(
        self,
        durables: Iterable[Durable] = (),
        *,
        replicas: int = 1,
        first_positions: Mapping[str, int] = ALL_FROM_POSITION_1,
        patience: float = PROVISION_PATIENCE_S,
        limits: Mapping[str, StreamLimits] = NO_LIMITS,
    ) -> None:
        """Create the lab's streams and consumers; see `bus.nats.provisioning`. Raises TransportError."""
        await provision(self._js, durables, replicas, first_positions, patience, limits)

    async def restore_consumers(self, durables: Iterable[Durable]) -> None:
        """Create the consumers that are missing, and say so; do nothing while the server is away."""
        with contextlib.suppress(APIError, *SERVER_AWAY_ERRORS):
            for durable in durables:
                await provision_consumer(self._js, durable)

    async def renew_consumers(self, durables: Iterable[Durable]) -> None:
        """Let consumers deliver their whole streams again. Raises TransportError."""
        try:
            for durable in durables:
                await renew_consumer(self._js, durable)
        except (APIError, *SERVER_AWAY_ERRORS) as error:
            raise TransportError(f"can't renew the consumers ({error})") from None

    async def publish(self, subject: str, payload: bytes, message_id: str, expected_last: int | None = None) -> Receipt:
        """Append; see Transport."""
        headers = {"Content-Type": CONTENT_TYPE, "Nats-Msg-Id": message_id}
        if expected_last is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected_last)
        patience = PUBLISH_PATIENCE_S if self.patience is None else self.patience
        async for limit in attempts(patience):
            try:
                ack = await self._js.publish(subject, payload, headers=headers, timeout=limit)
            except APIError as error:
                if error.err_code == WRONG_LAST_SEQUENCE:
                    return Receipt(None)
                raise _publish_error(subject, error) from None
            except nats.errors.MaxPayloadError:
                raise TransportError(f"can't publish on {subject}: the message has {len(payload):,d} bytes") from None
            except SERVER_AWAY_ERRORS:
                self._connection.raise_if_denied(subject)
            else:
                return Receipt(None, duplicate_of=ack.seq) if ack.duplicate else Receipt(ack.seq)
        raise TransportError(f"can't publish on {subject}: the NATS server did not acknowledge within {patience:g} s")

    async def pull(self, durable: Durable, timeout: float) -> NatsDelivery | None:
        """Take one message; see Transport."""
        _raise_if_cancelled()
        try:
            held = self._held.setdefault(durable.name, deque())
            if not held:
                subscription = await self._subscription(durable)
                held.extend(await subscription.fetch(self._batch_size(durable), timeout=timeout))
        except nats.errors.TimeoutError:
            self._waiting[durable.name] = 0
            self._connection.raise_if_denied(f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}")
            return None
        except (APIError, *SERVER_AWAY_ERRORS):
            self._pulls.pop(durable.name, None)
            await asyncio.sleep(PULL_RETRY_DELAY_S)
            return None
        delivery = delivery_of(held.popleft())
        self._waiting[durable.name] = delivery.waiting
        return delivery

    def _batch_size(self, durable: Durable) -> int:
        """Return how many messages to ask for: no more than wait, since a request waits until it has all of them."""
        return max(1, min(durable.batch, self._waiting.get(durable.name, 0)))

    async def _subscription(self, durable: Durable) -> JetStreamContext.PullSubscription:
        """Return the subscription to a durable, and create the consumer first if this identity may."""
        if durable.name not in self._pulls:
            create = f"$JS.API.CONSUMER.DURABLE.CREATE.{durable.stream}.{durable.name}"
            if self._connection.identity.may_provision and not self._connection.denied.contains(create):
                await provision_consumer(self._js, durable)
            self._pulls[durable.name] = await self._js.pull_subscribe_bind(durable.name, durable.stream)
        return self._pulls[durable.name]

    def follow(
        self,
        stream: str,
        after: int,
        subject: str = ">",
        max_batch: int = 256,
        batch_delay: float = 0.0,
        news_request: asyncio.Event | None = None,
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """Read without an end; see Transport."""

        def raise_if_ended() -> None:
            _raise_if_cancelled()
            self._connection.raise_if_denied(direct_get(stream))

        follower = Follower(self.client, stream, subject, max_batch, raise_if_ended)
        return follower.follow(after, batch_delay, news_request)

    async def read(
        self, stream: str, after: int = 0, subject: str = ">", max_batch: int = 256
    ) -> Sequence[StoredMessage]:
        """Read once; see Transport."""
        reader = BatchReader(self.client, stream, subject, max_batch)
        patience = READ_PATIENCE_S if self.patience is None else self.patience
        async with reader.receiving():
            async for _ in attempts(patience):
                try:
                    return await reader.read(after)
                except (APIError, *SERVER_AWAY_ERRORS):
                    self._connection.raise_if_denied(direct_get(stream))
        raise NoAnswer(f"can't read stream {stream}: the NATS server did not answer within {patience:g} s")

    async def next_message(self, stream: str, after: int, subject: str = ">") -> StoredMessage | None:
        """Read one message; see Transport."""
        patience = READ_PATIENCE_S if self.patience is None else self.patience
        return await next_message(self._connection, stream, after, subject, patience)

    async def last_seq(self, stream: str) -> int:
        """Return the newest position; see Transport."""
        try:
            return (await self._js.stream_info(stream)).state.last_seq
        except (APIError, *SERVER_AWAY_ERRORS) as error:
            self._connection.raise_if_denied(f"$JS.API.STREAM.INFO.{stream}")
            kind = TransportError if isinstance(error, APIError) else NoAnswer
            raise kind(f"can't read the position of stream {stream} ({error})") from None

    async def may_purge(self, stream: str) -> bool:
        """Return whether a stream lets messages be purged; those of older labs never do. Raises TransportError."""
        try:
            return not (await self._js.stream_info(stream)).config.deny_purge
        except (APIError, *SERVER_AWAY_ERRORS) as error:
            raise TransportError(f"can't read the settings of stream {stream} ({error})") from None

    async def purge(self, stream: str, subject: str) -> None:
        """Remove the messages on the subjects of a pattern; no position is used again. Raises TransportError."""
        try:
            await self._js.purge_stream(stream, subject=subject)
        except (APIError, *SERVER_AWAY_ERRORS) as error:
            raise TransportError(f"can't purge {subject} of stream {stream} ({error})") from None

    async def newest(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the newest message on a subject, which may have wildcards; None without one. Raises NoAnswer."""
        return await newest_message(self._connection, stream, subject)

    async def has_stream(self, stream: str) -> bool:
        """Return whether a stream exists. Raises PermissionDenied, NoAnswer."""
        try:
            await self._js.stream_info(stream)
        except NotFoundError:
            return False
        except SERVER_AWAY_ERRORS as error:
            self._connection.raise_if_denied(f"$JS.API.STREAM.INFO.{stream}")
            raise NoAnswer(f"can't ask for stream {stream} ({type(error).__name__})") from None
        return True

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Ask; see Transport."""
        try:
            return (await self.client.request(subject, payload, timeout=timeout)).data
        except SERVER_AWAY_ERRORS as error:
            self._connection.raise_if_denied(subject)
            raise NoAnswer(f"no answer on {subject} ({type(error).__name__})") from None

    async def serve(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer; see Transport. Requests are answered concurrently."""
        tasks: set[asyncio.Task[None]] = set()

        async def reply(message: Msg) -> None:
            await message.respond(await handler(message.data))

        async def start(message: Msg) -> None:
            task = asyncio.create_task(reply(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        earlier = self._responders.get(subject)
        self._responders[subject] = await self.client.subscribe(subject, queue="lab", cb=start)
        if earlier:
            await earlier.unsubscribe()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def _raise_if_cancelled() -> None:
    """Raise a cancellation that the client swallowed because a reply came at the same moment.

    The client waits with asyncio.wait_for, which prefers the reply before Python 3.12; a loop around it would not end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _publish_error(subject: str, error: APIError) -> TransportError:
    """Return an error that says why the stream refused a message."""
    if error.err_code in STORE_FULL_CODES:
        return LogFull(f"the log is full ({error.description}); hint: free disk space, and run again")
    return TransportError(f"can't publish on {subject}: {error}")
