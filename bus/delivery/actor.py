"""The one loop that does a role's I/O: receive, answer its questions, publish, acknowledge.

A role's decision is pure (`bus.delivery.role`), so this loop may be cut off at any line: the message comes again, the
decision is the same, its ids are the same, and the stream drops what it has. What can't be read or keeps failing ends
among the dead letters with its reason; the lab goes on.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import structlog

from bus.delivery import dead_letters
from bus.delivery.bus import Bus, MemoryBehind, QueryRefused, RecordedAnswer
from bus.delivery.durables import log_durable
from bus.delivery.role import Post, Role, SupportsGiveUp
from bus.delivery.transport import Delivery, Durable, LogFull, NoAnswer
from bus.vocabulary.events import Event, Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Question
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored import Stored

Answerer = Callable[[Envelope, Any], Awaitable[Record]]
MAX_DELIVERIES = 6
"""A message that failed or killed its process this often is given up."""
GIVE_UP_ORDINAL = 1000
"""First ordinal of what is said where a decision is given up: past those of any decision."""
PULL_TIMEOUT_S = 2.0
"""How long one pull waits; short, since after a server restart a pull only ends with its own time."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where a role's messages come from and how they are read."""

    durable: Durable
    read: Callable[[Stored], Envelope]
    max_attempts: int = MAX_DELIVERIES
    """How often a decision upon one message may fail."""
    retry: bool = False
    """Whether its messages are dead letters, handed to the role again."""

    def retry_inbox(self) -> "Inbox":
        """Return the inbox of this one's retried letters: the original is read as it was, and decided upon once."""
        durable = dead_letters.retry_durable(self.durable.name)
        return Inbox(
            durable, lambda stored: self.read(dead_letters.original_message(stored)), max_attempts=1, retry=True
        )


def log_inbox(role: Role) -> Inbox:
    """Return the inbox of a role that decides upon events of the log."""
    return Inbox(log_durable(role.name, role.handles), subjects.decode_event)


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
        in_order: tuple[type[Event], ...] = (),
    ) -> None:
        """Run `role` on `bus`; questions other than queries to memory go to `answerers` by their class.

        Of the `concurrency` decisions under way, those upon events of the kinds `in_order` are made one after another,
        in the order in which they were handed out.
        """
        self._bus = bus
        self._role = role
        self._answerers = dict(answerers or {})
        self._inbox = inbox or log_inbox(role)
        self._concurrency = concurrency
        self._in_order = in_order
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Work until cancelled. Raises LogFull when the log can take no more."""
        async with asyncio.TaskGroup() as group:
            for inbox in [self._inbox] * self._concurrency + [self._inbox.retry_inbox()]:
                group.create_task(self._work(inbox))

    async def _work(self, inbox: Inbox) -> None:
        """Handle one message after another."""
        vitals = self._bus.vitals
        while True:
            delivery = await self._bus.transport.pull(inbox.durable, PULL_TIMEOUT_S)
            if not inbox.retry:
                vitals.lag = delivery.waiting if delivery else 0
            if delivery:
                vitals.in_flight += 1
                try:
                    await self.handle(delivery, inbox)
                finally:
                    vitals.in_flight -= 1
                    vitals.done += 1

    async def handle(self, delivery: Delivery, inbox: Inbox | None = None) -> None:
        """Decide upon one message and see it through. Raises LogFull, TransportError."""
        inbox = inbox or self._inbox
        try:
            said = inbox.read(delivery.stored)
        except MalformedMessage as error:
            self._bus.vitals.record_error(error)
            await self._dead_letter(delivery, inbox, str(error))
            return
        with _heartbeat(delivery, inbox.durable.ack_wait / 3):
            await self._settle(delivery, inbox, said)

    async def _settle(self, delivery: Delivery, inbox: Inbox, envelope: Envelope) -> None:
        """Decide, publish, acknowledge; on a fault give the message back, and at last give it up.

        Each way ends in one line that tells the whole unit of work.
        """
        begun = perf_counter()

        def facts(**more: object) -> dict[str, object]:
            ms = round(1000 * (perf_counter() - begun), 1)
            about = {
                "campaign": envelope.campaign,
                "experiment": envelope.experiment,
                "upon": envelope.type,
                "seq": envelope.seq,
            }
            return about | {"delivery": delivery.deliveries, "ms": ms} | more

        if delivery.deliveries > MAX_DELIVERIES:
            await self._give_up(delivery, inbox, envelope, "delivered too often: its process died every time", "")
            return
        try:
            async with self._turn if isinstance(envelope.event, self._in_order) else nullcontext():
                posts = await self._decide(envelope)
        except LogFull:
            raise
        except Exception as error:  # noqa: BLE001  (a role's fault must not end the process that serves others)
            mine = not isinstance(error, MalformedMessage)  # else the message is at fault, and its reason is for people
            reason = f"{type(error).__name__}: {error}" if mine else str(error)
            self._bus.vitals.record_error(reason)
            log.warning("decision failed", **facts(reason=reason))
            if mine and delivery.deliveries < inbox.max_attempts:
                await delivery.nak(0.2 * 2**delivery.deliveries)
            else:
                await self._give_up(delivery, inbox, envelope, reason, traceback.format_exc() if mine else "")
            return
        await delivery.ack()
        log.info("decided", **facts(says=[type(post.event).__name__ for post in posts]))

    async def _decide(self, envelope: Envelope) -> Sequence[Post]:
        """Drive the decision: answer what it asks, publish what it posts, return all posts."""
        decision = self._role.decide(envelope)
        answered: list[RecordedAnswer] = []
        posts: list[Post] = []
        try:
            asked = next(decision)
            while True:
                if isinstance(asked, Post):
                    await self._bus.publish(asked, envelope.campaign, envelope, len(posts))
                    posts.append(asked)
                    reply = None
                else:
                    answered.append(await self._answer(envelope, asked))
                    reply = answered[-1].reply
                asked = decision.send(reply)
        except StopIteration as stop:
            last: Sequence[Post] = stop.value or ()
        await self._conclude(envelope, answered, last, len(posts))
        return [*posts, *last]

    async def _conclude(
        self, envelope: Envelope, answered: Sequence[RecordedAnswer], last: Sequence[Post], first: int
    ) -> None:
        """Publish what was read and the last posts: at once, where all that was read would be read again.

        Memory answers a question about a position the same at any time. What a model has written it won't write again:
        it has to be kept before anything is said that follows from it.
        """
        if not answered:
            await self._publish_all(envelope, last, first)
        elif all(isinstance(one.question, Query) for one in answered):
            await asyncio.gather(self._bus.publish_trace(envelope, answered), self._publish_all(envelope, last, first))
        else:
            await self._bus.publish_trace(envelope, answered)
            await self._publish_all(envelope, last, first)

    async def _publish_all(self, envelope: Envelope, posts: Sequence[Post], first: int) -> None:
        """Publish posts one after another, the ordinals beginning at `first`."""
        for ordinal, post in enumerate(posts, first):
            await self._bus.publish(post, envelope.campaign, envelope, ordinal)

    async def _answer(self, envelope: Envelope, question: Question) -> RecordedAnswer:
        """Return a question with its answer: memory's over the bus, any other from its answerer."""
        if isinstance(question, Query):
            return await self._ask(question)
        answerer = self._answerers.get(type(question))
        if answerer is None:
            raise QueryRefused(f"{self._role.name} has nobody to ask a {type(question).__name__}")
        return RecordedAnswer.from_reply(question, await answerer(envelope, question))

    async def _ask(self, query: Query) -> RecordedAnswer:
        """Ask memory until it answers: however long it is away or behind, the decision is not at fault."""
        while True:
            try:
                return await self._bus.ask_recorded(query)
            except (NoAnswer, MemoryBehind) as error:
                self._bus.vitals.last_error = f"waiting for memory: {error}"
                log.warning("waiting for memory", asked=query.name, reason=str(error))

    async def _give_up(self, delivery: Delivery, inbox: Inbox, envelope: Envelope, reason: str, stack: str) -> None:
        """Bury the message; where the role knows how, say what follows, so that no slot waits for ever."""
        try:
            follows = self._role.give_up(envelope, reason) if isinstance(self._role, SupportsGiveUp) else ()
        except Exception:  # noqa: BLE001  (else the message would kill every process that it comes to)
            follows, stack = (), f"{stack}\nand giving up failed:\n{traceback.format_exc()}".lstrip()
        for ordinal, post in enumerate(follows):
            await self._bus.publish(post, envelope.campaign, envelope, GIVE_UP_ORDINAL + ordinal)
        await self._dead_letter(delivery, inbox, reason, stack, follows)

    async def _dead_letter(
        self, delivery: Delivery, inbox: Inbox, reason: str, stack: str = "", said: Sequence[Post] = ()
    ) -> None:
        """Write a dead letter and, once it is kept, acknowledge the message."""
        stored, retry = delivery.stored, 0
        if inbox.retry:
            with suppress(MalformedMessage):  # what is no letter is buried itself
                letter = dead_letters.decode(stored)
                stored, retry = letter.original, letter.retry
        log.error("dead letter", subject=stored.subject, reason=reason)
        await self._bus.publish_dead_letter(
            stored, reason, stack=stack, deliveries=delivery.deliveries, said=said, retry=retry
        )
        await delivery.ack()


@contextmanager
def _heartbeat(delivery: Delivery, seconds: float) -> Iterator[None]:
    """Keep a message while its decision takes long; most are over before the first beat, so none has a task."""
    loop = asyncio.get_running_loop()
    beats: list[asyncio.Task[None]] = []

    def beat() -> None:
        nonlocal timer
        beats[:] = [asyncio.create_task(delivery.in_progress())]
        timer = loop.call_later(seconds, beat)

    timer = loop.call_later(seconds, beat)
    try:
        yield
    finally:
        timer.cancel()
