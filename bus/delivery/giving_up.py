"""Giving up a message: publish what the role does in place of a decision, and keep the message as a dead letter."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import structlog

from bus.delivery import dead_letters
from bus.delivery.bus import Bus
from bus.delivery.inbox import Inbox, WorkItem
from bus.delivery.role import Post, Role, SupportsGiveUp
from bus.delivery.transport import Delivery
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored_message import StoredMessage

GIVE_UP_ORDINAL = 1000
"""Ordinal of the first post in place of a decision; decisions have fewer posts."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message could not be handled."""

    reason: str
    """One line."""
    stack: str = ""
    """The traceback of an error; empty if the message itself is at fault."""
    retryable: bool = False
    """True if another attempt may succeed."""

    @classmethod
    def from_error(cls, error: Exception) -> Self:
        """Describe an error. A malformed message stays malformed, and its reason is written for people."""
        if isinstance(error, MalformedMessage):
            return cls(str(error))
        stack = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__}: {error}", stack, retryable=True)


async def give_up(bus: Bus, role: Role, item: WorkItem, failure: Failure) -> None:
    """Publish the role's fallback, so that no slot waits for ever; then write a dead letter. Raises TransportError."""
    try:
        fallback = fallback_posts(role, item.envelope, failure.reason)
    except Exception:  # noqa: BLE001  (otherwise the message would end every process that it is delivered to)
        stack = f"{failure.stack}\nand giving up failed:\n{traceback.format_exc()}".lstrip()
        fallback, failure = (), replace(failure, stack=stack)
    for ordinal, post in enumerate(fallback, GIVE_UP_ORDINAL):
        await bus.publish(post, item.envelope.campaign, item.envelope, ordinal)
    await write_dead_letter(bus, item.delivery, item.inbox, failure, fallback)


def fallback_posts(role: Role, envelope: Envelope, reason: str) -> Sequence[Post]:
    """Return what a role publishes in place of a decision. Raises whatever the role raises."""
    return role.give_up(envelope, reason) if isinstance(role, SupportsGiveUp) else ()


async def write_dead_letter(
    bus: Bus, delivery: Delivery, inbox: Inbox, failure: Failure, fallback: Sequence[Post] = ()
) -> None:
    """Publish a dead letter, then acknowledge the message. Raises TransportError."""
    stored, retry = _original(delivery.stored) if inbox.retry else (delivery.stored, 0)
    log.error("dead letter", subject=stored.subject, reason=failure.reason)
    await bus.publish_dead_letter(
        stored,
        failure.reason,
        stack=failure.stack,
        deliveries=delivery.deliveries,
        fallback=fallback,
        retry=retry,
    )
    await delivery.ack()


def _original(stored: StoredMessage) -> tuple[StoredMessage, int]:
    """Return the original in a retried letter and its retries so far; any other message is its own original."""
    try:
        letter = dead_letters.decode(stored)
    except MalformedMessage:
        return stored, 0
    return letter.original, letter.retry
