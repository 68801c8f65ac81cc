"""Core NATS subscriptions that last as long as a context."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import DEFAULT_SUB_PENDING_MSGS_LIMIT

Receive = Callable[[Msg], Awaitable[None]]
"""Handles one received message."""


@contextlib.asynccontextmanager
async def subscribed(
    client: Client, subjects: Iterable[str], receive: Receive, max_pending: int = DEFAULT_SUB_PENDING_MSGS_LIMIT
) -> AsyncIterator[None]:
    """Receive what is published on the subjects; at most `max_pending` messages wait, and further ones are dropped."""
    subscriptions = [
        await client.subscribe(subject, cb=receive, pending_msgs_limit=max_pending) for subject in subjects
    ]
    try:
        yield
    finally:
        for subscription in subscriptions:
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()
