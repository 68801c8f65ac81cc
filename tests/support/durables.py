"""Durable consumers of one campaign, for tests that share a server."""

from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.transport import Durable, Transport
from bus.nats.transport import NatsTransport
from bus.wire import subjects


def campaign_durable(campaign: str, kind: str = "*", ack_wait: float = 10.0) -> Durable:
    """Return a consumer of one campaign's events."""
    return Durable(f"c-{campaign}", subjects.LOG, (f"lab.events.{campaign}.*.{kind}",), ack_wait)


async def delete_consumer(transport: Transport, durable: Durable) -> None:
    """Delete a consumer, as `nats consumer rm` does."""
    if isinstance(transport, MemoryTransport):
        transport._consumers.pop(durable.name)
    elif isinstance(transport, NatsTransport):
        await transport.client.jetstream().delete_consumer(durable.stream, durable.name)
