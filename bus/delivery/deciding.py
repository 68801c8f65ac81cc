"""Drives one decision to its end: answers its questions, publishes its posts, records what it read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import structlog

from bus.delivery.bus import Bus
from bus.delivery.query_replies import MemoryBehind, QueryRefused
from bus.delivery.role import Post, Role, Subdecision, Together, ordinals
from bus.delivery.settled import EarlierDecision
from bus.delivery.traces import RecordedAnswer
from bus.delivery.transport import NoAnswer
from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope

Answerer = Callable[[Envelope, Any], Awaitable[Record]]
"""Answers a question of the decision about an event."""
Answerers = Mapping[Any, Answerer]
"""Class of a question → what answers it."""

log = structlog.get_logger()


class _RepeatsWork(Exception):
    """Ends a decision that was complete before."""


class DecisionDriver:
    """Drives the decision of a role about one event."""

    def __init__(
        self, bus: Bus, role: Role, answerers: Answerers, envelope: Envelope, earlier: EarlierDecision
    ) -> None:
        """Send queries to memory over the bus, and any other question to `answerers`, unless `earlier` is complete."""
        self._earlier = earlier
        self._bus = bus
        self._role = role
        self._answerers = answerers
        self._envelope = envelope
        self._answers: list[RecordedAnswer] = []
        self._looking = asyncio.Lock()
        self._has_worked = False
        """Whether a question was asked that somebody else than memory answers."""
        self._posts: list[Post] = []

    async def drive(self) -> Sequence[Post]:
        """Return the decision's posts after all of them, and the trace, are published.

        Raises whatever the role or an answerer raises, QueryRefused and TransportError.
        """
        try:
            last = await self._run(self._role.decide(self._envelope), self._answers)
        except _RepeatsWork:
            return self._posts
        await self._finish(last or ())
        return self._posts

    async def _run(self, steps: Subdecision[Any], answers: list[RecordedAnswer]) -> Any:
        """Return the result of a decision or of a part of it, after adding what it read to `answers`."""
        reply: Any = None
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, Together):
                    reply = await self._run_together(step, answers)
                else:
                    reply = await self._perform(step, answers)
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    async def _run_together(self, step: Together, answers: list[RecordedAnswer]) -> tuple[Any, ...]:
        """Return the results of independent parts; their answers are added as if they had run in order."""
        read: list[list[RecordedAnswer]] = [[] for _ in step.parts]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._run(part, own)) for part, own in zip(step.parts, read, strict=True)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # as a decision without parts would raise it
        answers += chain.from_iterable(read)
        return tuple(task.result() for task in tasks)

    async def _perform(self, step: Question | Post, answers: list[RecordedAnswer]) -> Record | None:
        """Publish a post, or return the reply to a question."""
        if isinstance(step, Post):
            assert step.key or answers is self._answers, "the ordinal of a post in one of several parts is not certain"
            await self._publish((step,))
            return None
        if not isinstance(step, Query):
            await self._raise_if_repeated()
        answer = await self._answer(step)
        answers.append(answer)
        return answer.reply

    async def _raise_if_repeated(self) -> None:
        """Raise _RepeatsWork before the first costly question of a decision whose last event is in the log."""
        async with self._looking:
            if self._has_worked:
                return
            if await self._earlier.is_complete():
                raise _RepeatsWork
            self._has_worked = True

    async def _answer(self, question: Question) -> RecordedAnswer:
        if isinstance(question, Query):
            return await self._ask_memory(question)
        answerer = self._answerers.get(type(question))
        if answerer is None:
            raise QueryRefused(f"{self._bus.role} has no answerer for {type(question).__name__}")
        with self._bus.vitals.timed(type(question).__name__):
            reply = await answerer(self._envelope, question)
        return RecordedAnswer.from_reply(question, reply)

    async def _ask_memory(self, query: Query) -> RecordedAnswer:
        """Ask until memory answers: a decision does not fail because memory is away or behind.

        In a service that drains it does: another process decides later.
        """
        while True:
            try:
                return await self._bus.ask_recorded(query)
            except (NoAnswer, MemoryBehind) as error:
                if self._bus.draining.is_set():
                    raise
                self._bus.vitals.last_error = f"waiting for memory: {error}"
                log.warning("waiting for memory", query=query.name, reason=str(error))

    async def _finish(self, last: Sequence[Post]) -> None:
        """Publish the trace and the last posts, at once if a new attempt would read the same.

        Memory gives the same answer about a position at any time. A model would write something else, so the trace of
        its answer is stored before any event that follows from it.
        """
        if not self._answers:
            await self._publish(last)
        elif all(isinstance(answer.question, Query) for answer in self._answers):
            await asyncio.gather(self._publish_trace(), self._publish(last))
        else:
            await self._publish_trace()
            await self._publish(last)

    async def _publish_trace(self) -> None:
        await self._bus.publish_trace(self._envelope, self._answers)

    async def _publish(self, posts: Sequence[Post]) -> None:
        """Publish posts one after another."""
        for post in posts:
            self._posts.append(post)
            *_, ordinal = ordinals(self._posts)
            await self._bus.publish(post, self._envelope.campaign, self._envelope, ordinal)
