"""Creates the lab's streams and durable consumers on a JetStream server, and updates those of an older lab."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from bus.delivery.transport import Durable, TransportError
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.wire.subjects import STREAMS, Stream

FROM_FIRST_POSITION: Mapping[str, int] = MappingProxyType({})
"""No stream starts after position 1."""


async def provision(
    js: JetStreamContext, durables: Iterable[Durable], replicas: int, begins: Mapping[str, int] = FROM_FIRST_POSITION
) -> None:
    """Create or update streams and consumers, each on `replicas` servers.

    `begins` maps a stream to the position of its first message, if that is not 1. Raises TransportError if the server
    can't do it, such as without JetStream.
    """
    try:
        for stream in STREAMS:
            await _provide_stream(js, _stream_config(stream, replicas, begins.get(stream.name)))
        for durable in durables:
            await provide_consumer(js, durable)
    except (APIError, *SERVER_AWAY_ERRORS) as error:
        raise TransportError(
            f"the NATS server can't store the lab's streams ({error}); hint: start it with -js"
        ) from None


async def provide_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Create a durable consumer, or update the filters of an older one. Raises APIError."""
    await js.add_consumer(durable.stream, _consumer_config(durable))


async def _provide_stream(js: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream; on an older one, allow direct reads, and add replicas."""
    assert config.name
    try:
        existing = (await js.stream_info(config.name)).config
    except NotFoundError:
        await js.add_stream(config)
    else:
        replicas = max(existing.num_replicas or 1, config.num_replicas or 1)
        if not existing.allow_direct or existing.num_replicas != replicas:
            await js.update_stream(existing.evolve(allow_direct=True, num_replicas=replicas))


def _stream_config(stream: Stream, replicas: int, begins: int | None) -> api.StreamConfig:
    """Return the JetStream settings of a stream."""
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
    """Return the JetStream settings of a durable consumer."""
    return api.ConsumerConfig(
        durable_name=durable.name,
        filter_subjects=list(durable.filters),
        ack_wait=durable.ack_wait,
        max_deliver=-1,  # the actor counts deliveries itself, to end the last one with a dead letter
        max_ack_pending=4096,
    )
