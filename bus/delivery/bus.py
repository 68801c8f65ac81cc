"""The bus as a role sees it: typed events out, typed questions and answers, dead letters, over any transport."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Self, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from bus.delivery import dead_letters
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.role import Post
from bus.delivery.transport import NoAnswer, Transport
from bus.delivery.vitals import Vitals
from bus.vocabulary.events import Record, Spoken
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Question
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode
from bus.wire.ids import derive
from bus.wire.redaction import mask, mask_payload
from bus.wire.stored import Stored

Q = TypeVar("Q", bound=Query)
REPLY, END = b'{"reply":', b"}"
"""What stands around an answer."""
ANSWER_PATIENCE_S = 60.0
"""Seconds to go on asking while memory is away or behind."""
REQUEST_TIMEOUTS_S = (4.0, 8.0, 15.0)
"""How long the first, the second and each further request of a question waits; memory says sooner that it is behind."""


class QueryRefused(Exception):
    """A question was answered with an error; the text is that error, in one line."""


class MemoryBehind(QueryRefused):
    """Memory has not read so far yet: the same question has an answer later."""


class AnswerPending(ValueError):
    """What an answering handler raises where the same question will have an answer later."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A question with its answer, as a replay needs it."""

    question: Question
    reply: Record
    body: bytes
    """The reply as JSON: as it came or, where it did not come over the bus, less what it has by default."""

    @classmethod
    def from_reply(cls, question: Question, reply: Record) -> Self:
        """Return what was answered in this process."""
        return cls(question, reply, reply.model_dump_json(exclude_defaults=True).encode())


class Bus:
    """What one process says and asks under its own name."""

    def __init__(self, transport: Transport, role: str, instance: str = "1") -> None:
        """Speak over `transport` as `/lab/<role>/<instance>`."""
        self.transport = transport
        self.role = role
        self.source = f"/lab/{role}/{instance}"
        self.vitals = Vitals()

    def envelope_for(self, post: Post, campaign: str, cause: Envelope | None, ordinal: int | str) -> Envelope:
        """Return the envelope of a post; its id depends on cause, role and ordinal alone (law 3)."""
        root = cause.id if cause else derive(campaign, post.experiment, type(post.event).__name__)
        # A person's raw words are not in the log: what follows from them hangs on what they hang on.
        heard = cause is not None and isinstance(cause.event, Spoken)
        return Envelope(
            id=derive(root, self.role, ordinal),
            source=self.source,
            time=datetime.now(UTC),
            campaign=campaign,
            experiment=post.experiment,
            event=post.event,
            cause=cause.cause if cause and heard else cause.id if cause else None,
        )

    async def publish(
        self, post: Post, campaign: str, cause: Envelope | None = None, ordinal: int | str = 0
    ) -> int | None:
        """Publish a fact and return its position, or None where it had been said already."""
        envelope = self.envelope_for(post, campaign, cause, ordinal)
        return await self.transport.publish(
            subjects.event_subject(envelope), mask_payload(encode(envelope)), envelope.id, post.expected_last
        )

    def follow(
        self, after: int = 0, gather: float = 0.0, wanted: asyncio.Event | None = None
    ) -> AsyncIterator[Sequence[Stored]]:
        """Yield the log past a position, in order and without gaps; see Transport."""
        return self.transport.follow(subjects.LOG, after, gather=gather, wanted=wanted)

    async def newest_position(self, patience: float = ANSWER_PATIENCE_S) -> int:
        """Return the log's newest position, waiting while the server is away. Raises TransportError."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                return await self.transport.last_seq(subjects.LOG)
            except NoAnswer:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(0.1)

    async def ask(self, query: Query, patience: float = ANSWER_PATIENCE_S) -> Record:
        """Return memory's answer; see `answered`."""
        return (await self.ask_recorded(query, patience)).reply

    async def ask_recorded(self, query: Query, patience: float = ANSWER_PATIENCE_S) -> RecordedAnswer:
        """Return memory's answer, waiting while memory is away or behind. Raises Refused, Behind, NoAnswer.

        A request that a dying memory took with it is noticed by its time alone, so the first ones wait shortly; what
        memory answers late is asked again with more time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        payload = query.model_dump_json().encode()
        for seconds in chain(REQUEST_TIMEOUTS_S, repeat(REQUEST_TIMEOUTS_S[-1])):
            try:
                reply = await self.transport.request(subjects.query(query.name), payload, min(patience, seconds))
                return _read_reply(query, reply)
            except (NoAnswer, MemoryBehind):
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(0.1)
        raise AssertionError

    async def serve_query(self, kind: type[Q], handler: Callable[[Q], Awaitable[Record]]) -> None:
        """Answer a kind of query. A ValueError of the handler's is sent back as the error's text."""

        async def serve(payload: bytes) -> bytes:
            self.vitals.in_flight += 1
            try:
                reply = await handler(kind.model_validate_json(payload))
                return REPLY + reply.model_dump_json(exclude_defaults=True).encode() + END
            except ValidationError as error:
                fault = f"bad query: {error.errors(include_url=False, include_input=False)[0]['msg']}"
                return self._refusal(fault, later=False)
            except ValueError as error:
                return self._refusal(str(error), later=isinstance(error, AnswerPending))
            finally:
                self.vitals.in_flight -= 1
                self.vitals.done += 1

        await self.transport.serve(subjects.query(kind.name), serve)

    def _refusal(self, fault: str, *, later: bool) -> bytes:
        """Return what answers a question that has no answer."""
        self.vitals.record_error(fault)
        return to_json({"error": fault, "later": later})

    async def publish_trace(self, cause: Envelope, answered: Sequence[RecordedAnswer]) -> None:
        """Record what a decision had read, under its cause's id, so that a replay reads the same."""
        answers = b",".join(
            b'{"question":%b,"asked":%b,"reply":%b}'
            % (to_json(type(one.question).__name__), one.question.model_dump_json().encode(), one.body)
            for one in answered
        )
        body = b'{"role":%b,"cause":%b,"answers":[%b]}' % (to_json(self.role), to_json(cause.id), answers)
        await self.transport.publish(subjects.trace(cause.id), mask_payload(body), derive(cause.id, self.role, "trace"))

    async def publish_dead_letter(
        self,
        stored: Stored,
        reason: str,
        *,
        stack: str = "",
        deliveries: int = 1,
        said: Sequence[Post] = (),
        retry: int = 0,
    ) -> None:
        """Put a message that can't be handled among the dead letters, with its original bytes less any secret."""
        types = tuple(type(post.event).__name__ for post in said)
        original = Stored(stored.seq, stored.subject, mask_payload(stored.payload))
        letter = DeadLetter(self.role, mask(reason), original, mask(stack), deliveries, types, retry)
        await self.transport.publish(subjects.dead_letter(self.role), dead_letters.encode(letter), letter.id)

    async def retry_dead_letter(self, letter: DeadLetter) -> bool:
        """Hand a letter's message to its role once more; False where that has been done. Raises TransportError."""
        subject = subjects.dead_letter_retry(letter.role)
        return await self.transport.publish(subject, dead_letters.encode(letter.for_retry()), letter.id) is not None


def _read_reply(query: Query, payload: bytes) -> RecordedAnswer:
    """Return the typed reply with its bytes. Raises Refused."""
    try:
        if payload.startswith(REPLY):
            told = payload[len(REPLY) : -len(END)]
            return RecordedAnswer(query, query.Reply.model_validate_json(told), told)
        body = json.loads(payload)
        fault = (MemoryBehind if body.get("later") else QueryRefused)(str(body["error"]))
    except (ValueError, KeyError) as error:
        raise QueryRefused(f"unreadable answer to {query.name}: {type(error).__name__}") from None
    raise fault
