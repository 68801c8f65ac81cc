"""The lab's streams and durable consumers on a JetStream server, as they should be."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from bus.delivery.transport import Durable, TransportError
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.wire.subjects import STREAMS, Stream

FROM_FIRST_POSITION: Mapping[str, int] = MappingProxyType({})


async def provision(
    js: JetStreamContext, durables: Iterable[Durable], replicas: int, begins: Mapping[str, int] = FROM_FIRST_POSITION
) -> None:
    """Create streams and consumers, or bring older ones up to date, each kept by `replicas` servers.

    `begins` names the position of a stream's first message, where that is not 1. Raises TransportError without
    JetStream.
    """
    try:
        for stream in STREAMS:
            await _provide(js, _stream_config(stream, replicas, begins.get(stream.name)))
        for durable in durables:
            await provide_consumer(js, durable)
    except (APIError, *SERVER_AWAY_ERRORS) as error:
        raise TransportError(f"the NATS server can't keep the lab's streams: {error}; start it with -js") from None


async def provide_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Create a durable consumer, or let an older one hear what it should hear today. Raises APIError."""
    await js.add_consumer(durable.stream, _consumer_config(durable))


async def _provide(js: JetStreamContext, wanted: api.StreamConfig) -> None:
    """Create a stream, or let an older one be read directly and be kept by more servers."""
    assert wanted.name
    try:
        there = (await js.stream_info(wanted.name)).config
    except NotFoundError:
        await js.add_stream(wanted)
    else:
        replicas = max(there.num_replicas or 1, wanted.num_replicas or 1)
        if not there.allow_direct or there.num_replicas != replicas:
            await js.update_stream(there.evolve(allow_direct=True, num_replicas=replicas))


def _stream_config(stream: Stream, replicas: int, begins: int | None) -> api.StreamConfig:
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
