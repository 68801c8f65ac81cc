"""The one loop that does a role's I/O: receive, answer its questions, publish, acknowledge.

A role's decision is pure (`bus.role`), so this loop may be cut off at any line: the message comes again, the decision
is the same, its ids are the same, and the stream drops what it has. What can't be read or keeps failing ends among
the dead letters with its reason; the lab goes on.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import structlog

from bus import subjects
from bus.bus import Answered, Bus, Refused
from bus.durables import log_durable
from bus.envelope import Envelope, Malformed
from bus.events import Record
from bus.queries import Query
from bus.role import Post, Question, Role
from bus.transport import Delivery, Durable, LogFull, NoAnswer, Stored, TransportError

Answerer = Callable[[Envelope, Any], Awaitable[Record]]
MAX_DELIVERIES = 6
"""A message that failed or killed its process this often is given up."""
PULL_SECONDS = 2.0
"""How long one pull waits; short, since after a server restart a pull only ends with its own time."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where a role's messages come from and how they are read."""

    durable: Durable
    read: Callable[[Stored], Envelope]


def log_inbox(role: Role) -> Inbox:
    """Return the inbox of a role that decides upon events of the log."""
    return Inbox(log_durable(role.name, role.handles), subjects.read)


class Actor:
    """Runs one role in one process; several processes of a role share its durable consumer."""

    def __init__(
        self,
        bus: Bus,
        role: Role,
        answerers: Mapping[Any, Answerer] | None = None,
        *,
        inbox: Inbox | None = None,
        concurrency: int = 1,
    ) -> None:
        """Run `role` on `bus`; questions other than queries to memory go to `answerers` by their class."""
        self._bus = bus
        self._role = role
        self._answerers = dict(answerers or {})
        self._inbox = inbox or log_inbox(role)
        self._concurrency = concurrency

    async def run(self) -> None:
        """Work until cancelled. Raises LogFull when the log can take no more."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._work())

    async def _work(self) -> None:
        """Handle one message after another."""
        while True:
            delivery = await self._bus.transport.pull(self._inbox.durable, PULL_SECONDS)
            if delivery:
                await self.handle(delivery)

    async def handle(self, delivery: Delivery) -> None:
        """Decide upon one message and see it through."""
        try:
            said = self._inbox.read(delivery.stored)
        except Malformed as error:
            await self._bury(delivery, str(error))
            return
        beat = asyncio.create_task(_heartbeat(delivery, self._inbox.durable.ack_wait / 3))
        try:
            await self._see_through(delivery, said)
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat

    async def _see_through(self, delivery: Delivery, said: Envelope) -> None:
        """Decide, publish, acknowledge; on a fault give the message back, and at last give it up."""
        begun = perf_counter()
        if delivery.deliveries > MAX_DELIVERIES:
            await self._give_up(delivery, said, "delivered too often: its process died every time", "")
            return
        try:
            posts = await self._decide(said)
        except (NoAnswer, LogFull):
            raise
        except Exception as error:  # noqa: BLE001  (a role's fault must not end the process that serves others)
            reason = f"{type(error).__name__}: {error}"
            log.warning("decision failed", upon=said.type, experiment=said.experiment, reason=reason)
            if delivery.deliveries < MAX_DELIVERIES and not isinstance(error, Malformed):
                await delivery.nak(0.2 * 2**delivery.deliveries)
            else:
                await self._give_up(delivery, said, reason, traceback.format_exc())
            return
        await delivery.ack()
        log.info(
            "decided",
            upon=said.type,
            experiment=said.experiment,
            says=[type(post.event).__name__ for post in posts],
            ms=round(1000 * (perf_counter() - begun), 1),
        )

    async def _decide(self, said: Envelope) -> Sequence[Post]:
        """Drive the decision: answer what it asks, publish what it posts, return all posts."""
        decision = self._role.decide(said)
        answered: list[Answered] = []
        posts: list[Post] = []
        try:
            asked = next(decision)
            while True:
                if isinstance(asked, Post):
                    await self._bus.say(asked, said.campaign, said, len(posts))
                    posts.append(asked)
                    reply = None
                else:
                    reply = await self._answer(said, asked)
                    answered.append(Answered(asked, reply))
                asked = decision.send(reply)
        except StopIteration as stop:
            last: Sequence[Post] = stop.value or ()
        if answered:
            await self._bus.trace(said, answered)
        for post in last:
            await self._bus.say(post, said.campaign, said, len(posts))
            posts.append(post)
        return posts

    async def _answer(self, said: Envelope, question: Question) -> Record:
        """Return the answer to a question: memory's over the bus, any other from its answerer."""
        if isinstance(question, Query):
            return await self._bus.ask(question)
        answerer = self._answerers.get(type(question))
        if answerer is None:
            raise Refused(f"{self._role.name} has nobody to ask a {type(question).__name__}")
        return await answerer(said, question)

    async def _give_up(self, delivery: Delivery, said: Envelope, reason: str, stack: str) -> None:
        """Bury the message; where the role knows how, say what follows, so that no slot waits for ever."""
        give_up = getattr(self._role, "give_up", None)
        for ordinal, post in enumerate(give_up(said, reason) if give_up else ()):
            await self._bus.say(post, said.campaign, said, 1000 + ordinal)
        await self._bury(delivery, reason, stack)

    async def _bury(self, delivery: Delivery, reason: str, stack: str = "") -> None:
        """Write a dead letter and acknowledge the message."""
        log.error("dead letter", subject=delivery.stored.subject, reason=reason)
        with suppress(TransportError):
            await self._bus.bury(delivery.stored, reason, stack=stack, deliveries=delivery.deliveries)
        await delivery.ack()


async def _heartbeat(delivery: Delivery, seconds: float) -> None:
    """Keep a message while its decision takes long."""
    while True:
        await asyncio.sleep(seconds)
        await delivery.in_progress()
