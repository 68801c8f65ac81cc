"""Creates the lab's streams and durable consumers on a JetStream server, and updates those of an older lab.

An update only ever adds: streams keep their messages and replicas, consumers keep their place.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import structlog
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from bus.delivery.transport import Durable, TransportError
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.wire.subjects import STREAMS, Stream

ALL_FROM_POSITION_1: Mapping[str, int] = MappingProxyType({})
"""Every stream starts at position 1."""
log = structlog.get_logger()

MAX_UNACKNOWLEDGED = 4096
"""Messages of one consumer that may be delivered and not yet acknowledged, over all processes that share it."""


async def provision(
    js: JetStreamContext,
    durables: Iterable[Durable],
    replicas: int,
    first_positions: Mapping[str, int] = ALL_FROM_POSITION_1,
) -> None:
    """Create or update streams and consumers, each on `replicas` servers.

    `first_positions` maps a stream's name to the position of its first message, if that is not 1. It counts for a new
    stream only. Raises TransportError if the server can't store streams, for example because JetStream is off.
    """
    try:
        for stream in STREAMS:
            await _provision_stream(js, _stream_config(stream, replicas, first_positions.get(stream.name)))
        for durable in durables:
            await restore_consumer(js, durable)
            await provision_consumer(js, durable)
    except (APIError, *SERVER_AWAY_ERRORS) as error:
        raise TransportError(
            f"the NATS server can't store the lab's streams ({error}); hint: start it with -js"
        ) from None


async def restore_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Create a consumer that is missing, and say so if its stream has messages: they are delivered again.

    Raises APIError, and `SERVER_AWAY_ERRORS` while the server is away.
    """
    try:
        await js.consumer_info(durable.stream, durable.name)
    except NotFoundError:
        await provision_consumer(js, durable)
        if (await js.stream_info(durable.stream)).state.messages:
            log.warning("a missing consumer was made again", consumer=durable.name, stream=durable.stream)


async def provision_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Create a durable consumer, or update the filters of an older one. Raises APIError."""
    await js.add_consumer(durable.stream, _consumer_config(durable))


async def _provision_stream(js: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream; an existing one gets direct reads and more replicas, and keeps its other settings."""
    assert config.name
    try:
        existing = (await js.stream_info(config.name)).config
    except NotFoundError:
        await js.add_stream(config)
    else:
        replicas = max(existing.num_replicas or 1, config.num_replicas or 1)
        if not existing.allow_direct or existing.num_replicas != replicas:
            await js.update_stream(existing.evolve(allow_direct=True, num_replicas=replicas))


def _stream_config(stream: Stream, replicas: int, first_position: int | None) -> api.StreamConfig:
    """Return the JetStream settings of a stream; None for a first position of 1."""
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
        first_seq=first_position,
    )


def _consumer_config(durable: Durable) -> api.ConsumerConfig:
    """Return the JetStream settings of a durable consumer."""
    return api.ConsumerConfig(
        durable_name=durable.name,
        filter_subjects=list(durable.filters),
        ack_wait=durable.ack_wait,
        max_deliver=-1,  # no limit: the actor counts deliveries itself, and writes a dead letter after the last one
        max_ack_pending=MAX_UNACKNOWLEDGED,
    )
