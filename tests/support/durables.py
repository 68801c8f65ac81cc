"""Durable consumers of one campaign, for tests that share a server."""

from bus.delivery.transport import Durable
from bus.wire import subjects


def campaign_durable(campaign: str, kind: str = "*", ack_wait: float = 10.0) -> Durable:
    """Return a consumer of one campaign's events."""
    return Durable(f"c-{campaign}", subjects.LOG, (f"lab.events.{campaign}.*.{kind}",), ack_wait)
