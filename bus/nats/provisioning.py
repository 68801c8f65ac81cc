"""Creates the lab's streams and durable consumers on a JetStream server, and updates those of an older lab.

An update only ever adds: streams keep their messages and replicas, consumers keep their place.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import nats.errors
import structlog
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from bus.delivery.transport import Durable, NoAnswer, TransportError
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.wire.subjects import STREAMS, Stream, StreamLimits

NO_LIMITS: Mapping[str, StreamLimits] = MappingProxyType({})
"""Every stream has its own limits."""
ALL_FROM_POSITION_1: Mapping[str, int] = MappingProxyType({})
"""Every stream starts at position 1."""
log = structlog.get_logger()

PROVISION_PATIENCE_S = 60.0
RETRY_DELAY_S = 0.2
UPDATED = ("filter_subjects", "ack_wait", "max_deliver", "max_ack_pending")
"""Settings of a consumer that an older lab may have made otherwise."""
MAX_UNACKNOWLEDGED = 4096
"""Messages of one consumer that may be delivered and not yet acknowledged, over all processes that share it."""


async def provision(
    js: JetStreamContext,
    durables: Iterable[Durable],
    replicas: int,
    first_positions: Mapping[str, int] = ALL_FROM_POSITION_1,
    patience: float = PROVISION_PATIENCE_S,
    limits: Mapping[str, StreamLimits] = NO_LIMITS,
) -> None:
    """Create or update streams and consumers, each on `replicas` servers; retry for `patience` s if one is too busy.

    `first_positions` maps a stream's name to the position of its first message, if that is not 1. It counts for a new
    stream only. `limits` has limits by the name of a stream; a stream without any keeps its own.

    Raises TransportError if the server can't store streams, for example because JetStream is off.
    """
    deadline = time.monotonic() + patience
    steps: list[Callable[[], Awaitable[None]]] = []
    for stream in STREAMS:
        config = _stream_config(stream, replicas, first_positions.get(stream.name))
        steps.append(partial(_provision_stream, js, config, limits.get(stream.name, StreamLimits())))
    steps += [partial(provision_consumer, js, durable) for durable in durables]
    for step in steps:
        while not await _is_done(step(), last=time.monotonic() > deadline):
            await asyncio.sleep(RETRY_DELAY_S)


async def _is_done(request: Awaitable[None], *, last: bool) -> bool:
    """Wait for a request; return False if the server did not answer it in time. Raises TransportError.

    The `last` request has to succeed.
    """
    try:
        await request
    except (APIError, nats.errors.NoRespondersError, NoStreamResponseError) as error:
        raise TransportError(
            f"the NATS server can't store the lab's streams ({error}); hint: start it with -js"
        ) from None
    except SERVER_AWAY_ERRORS as error:
        if last:
            raise NoAnswer(f"the NATS server does not create the lab's streams ({error}); hint: is it busy?") from None
        return False
    return True


async def provision_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Create a durable consumer that is missing, or update one of an older lab; it keeps its start and its place.

    If the stream of a missing one has messages, it says so: they are delivered again. Raises APIError, and
    `SERVER_AWAY_ERRORS` while the server is away.
    """
    config = consumer_config(durable)
    try:
        existing = (await js.consumer_info(durable.stream, durable.name)).config
    except NotFoundError:
        await js.add_consumer(durable.stream, config)
        if (await js.stream_info(durable.stream)).state.messages:
            log.warning("a missing consumer was made again", consumer=durable.name, stream=durable.stream)
    else:
        wanted = existing.evolve(**{name: getattr(config, name) for name in UPDATED})
        if wanted != existing:
            await js.add_consumer(durable.stream, wanted)


async def renew_consumer(js: JetStreamContext, durable: Durable) -> None:
    """Delete a durable consumer and create it again: it gets its whole stream. Raises like `provision_consumer`."""
    with contextlib.suppress(NotFoundError):
        await js.delete_consumer(durable.stream, durable.name)
    await provision_consumer(js, durable)


async def _provision_stream(js: JetStreamContext, config: api.StreamConfig, limits: StreamLimits) -> None:
    """Create a stream; an existing one gets direct reads, more replicas and the limits, and keeps the rest."""
    assert config.name
    try:
        existing = (await js.stream_info(config.name)).config
    except NotFoundError:
        await js.add_stream(_limited(config, limits))
    else:
        replicas = max(existing.num_replicas or 1, config.num_replicas or 1)
        wanted = _limited(existing.evolve(allow_direct=True, num_replicas=replicas), limits)
        if wanted != existing:
            await js.update_stream(wanted)


def _limited(config: api.StreamConfig, limits: StreamLimits) -> api.StreamConfig:
    """Return a stream's settings with limits; ids are not remembered for longer than messages."""
    changes: dict[str, Any] = limits.model_dump(exclude_none=True)
    if "discard" in changes:
        changes["discard"] = api.DiscardPolicy(changes["discard"])
    if limits.max_age:
        changes["duplicate_window"] = min(config.duplicate_window or limits.max_age, limits.max_age)
    return config.evolve(**changes)


def _stream_config(stream: Stream, replicas: int, first_position: int | None) -> api.StreamConfig:
    """Return the JetStream settings of a stream; None for a first position of 1."""
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW if stream.append_only else api.DiscardPolicy.OLD,
        deny_delete=stream.append_only,
        max_bytes=stream.max_bytes,
        max_age=stream.max_age,
        duplicate_window=stream.duplicate_window,
        num_replicas=replicas,
        allow_direct=True,
        first_seq=first_position,
    )


def consumer_config(durable: Durable) -> api.ConsumerConfig:
    """Return the JetStream settings of a durable consumer."""
    return api.ConsumerConfig(
        durable_name=durable.name,
        filter_subjects=list(durable.filters),
        ack_wait=durable.ack_wait,
        max_deliver=-1,  # no limit: the actor counts deliveries itself, and writes a dead letter after the last one
        max_ack_pending=MAX_UNACKNOWLEDGED,
    )
