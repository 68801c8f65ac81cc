"""Snapshots of streams by JetStream itself: every message with its position, subject, headers and time.

The server sends a snapshot in chunks on an inbox and waits for replies, so that it never runs far ahead. It takes one
back in the same way. https://docs.nats.io/reference/reference-protocols/nats_api_reference

A snapshot leaves out the stream's consumers. Those of a running lab would be ahead of its messages: an acknowledgement
that follows the last message of the snapshot would lose what its decision published. So the places of the consumers
are read before the snapshot (`ack_floors`), and made again from there (`place_consumer`): what was delivered and not
settled is delivered once more.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from bus.delivery.transport import Durable, TransportError
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.nats.provisioning import consumer_config

CHUNK_BYTES = 128 << 10
"""Bytes of one message; a server takes 1 MiB by default."""
API_TIMEOUT_S = 30.0
CHUNK_TIMEOUT_S = 60.0
"""How long the server may take for the next chunk; it reads and checks the stream's files meanwhile."""


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """What the server says of a snapshot, and needs to restore it."""

    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def messages(self) -> int:
        """Number of messages."""
        return int(self.state.get("messages", 0))

    @property
    def last_seq(self) -> int:
        """Position of the newest message."""
        return int(self.state.get("last_seq", 0))


async def write_snapshot(client: Client, stream: str, file: BinaryIO) -> StreamSnapshot:
    """Write a snapshot of a stream into a file. Raises TransportError."""
    chunks: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=chunks.put)
    try:
        request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES}
        reply = await _request(client, f"$JS.API.STREAM.SNAPSHOT.{stream}", json.dumps(request).encode())
        async for chunk in _until_end(chunks):
            await asyncio.to_thread(file.write, chunk.data)
            if chunk.reply:
                await chunk.respond(b"")
    except TimeoutError:
        raise TransportError(f"the snapshot of {stream} stopped for {CHUNK_TIMEOUT_S:g} s; hint: try again") from None
    finally:
        await subscription.unsubscribe()
    return StreamSnapshot(reply["config"], reply["state"])


async def _until_end(chunks: "asyncio.Queue[Msg]") -> AsyncIterator[Msg]:
    """Yield the chunks up to the empty message that ends a snapshot. Raises TimeoutError."""
    while True:
        async with asyncio.timeout(CHUNK_TIMEOUT_S):
            chunk = await chunks.get()
        if not chunk.data:
            return
        yield chunk


async def restore_snapshot(client: Client, snapshot: StreamSnapshot, file: BinaryIO, replicas: int = 1) -> None:
    """Make a stream again from its snapshot, on `replicas` servers. Raises TransportError, also if it exists.

    The streams of older labs deny to be purged for ever; a restored one lets campaigns be archived.
    """
    config = snapshot.config | {"num_replicas": replicas, "deny_purge": False}
    name = config["name"]
    request = json.dumps({"config": config, "state": snapshot.state}).encode()
    target = (await _request(client, f"$JS.API.STREAM.RESTORE.{name}", request))["deliver_subject"]
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        await _request(client, target, chunk)
    restored = await _request(client, target, b"")
    if restored["state"]["messages"] != snapshot.messages:
        raise TransportError(f"{name} has {restored['state']['messages']} messages again, not {snapshot.messages}")


async def ack_floors(js: JetStreamContext, durables: Iterable[Durable]) -> dict[str, int]:
    """Return how far each consumer has acknowledged its stream without a gap; those that don't exist are left out."""
    floors: dict[str, int] = {}
    for stream in {durable.stream for durable in durables}:
        for info in await js.consumers_info(stream):
            if info.ack_floor is not None:
                floors[info.name] = info.ack_floor.stream_seq
    return floors


async def place_consumer(js: JetStreamContext, durable: Durable, after: int) -> None:
    """Create a consumer whose first message comes after a position. Raises APIError."""
    start = api.ConsumerConfig(deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
    config = consumer_config(durable)
    await js.add_consumer(
        durable.stream, config.evolve(deliver_policy=start.deliver_policy, opt_start_seq=start.opt_start_seq)
    )


async def _request(client: Client, subject: str, payload: bytes) -> dict[str, Any]:
    """Return the server's reply, empty if it is none in JSON. Raises TransportError if it is an error."""
    try:
        reply = await client.request(subject, payload, timeout=API_TIMEOUT_S)
    except SERVER_AWAY_ERRORS as error:
        raise TransportError(f"the NATS server does not answer on {subject} ({type(error).__name__})") from None
    body = json.loads(reply.data) if reply.data else {}
    if "error" in body:
        raise TransportError(f"the NATS server refuses {subject} ({body['error'].get('description')})")
    return body
