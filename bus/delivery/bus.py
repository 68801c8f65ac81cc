"""The bus as a role sees it: typed events, queries, traces and dead letters, over any transport."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import TypeVar

import structlog
from pydantic import ValidationError

from bus.delivery import dead_letters, traces
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.query_replies import AnswerPending, MemoryBehind, decode_reply, encode_error, encode_reply
from bus.delivery.role import Post
from bus.delivery.traces import RecordedAnswer
from bus.delivery.transport import NoAnswer, PermissionDenied, Transport, TransportError
from bus.delivery.vitals import Vitals
from bus.vocabulary.events import LossPoint, Record, Spoken
from bus.vocabulary.queries import Query
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, encode
from bus.wire.ids import alternative_id, derive
from bus.wire.redaction import mask, mask_payload
from bus.wire.stored_message import StoredMessage

T = TypeVar("T")
Q = TypeVar("Q", bound=Query)
ANSWER_PATIENCE_S = 60.0
"""How long a query is repeated if memory is away or behind."""
REQUEST_TIMEOUTS_S = (4.0, 8.0, 15.0)
"""Timeouts of the first, the second and each further request of a query.

The first are short, because only a timeout reveals a request that was lost with a dying memory.
"""
RETRY_DELAY_S = 0.1
"""Pause between two attempts of a call."""
MAX_ALTERNATIVE_IDS = 8
"""Ids that an event can get if other messages have its own."""

log = structlog.get_logger()


class Bus:
    """The bus for one process: it publishes and asks under the name of its role."""

    def __init__(self, transport: Transport, role: str, instance: str = "1") -> None:
        """Use `transport` as the source `/lab/<role>/<instance>`."""
        self.transport = transport
        self.role = role
        self.source = f"/lab/{role}/{instance}"
        self.vitals = Vitals()
        self.draining = asyncio.Event()
        """Set when the service is to end after the work in hand."""

    def drain(self) -> None:
        """Take no new work from now on."""
        self.vitals.draining = True
        self.draining.set()

    def envelope_for(self, post: Post, campaign: str, cause: Envelope | None, ordinal: int | str) -> Envelope:
        """Return the envelope of a post.

        Its id depends on cause, role and ordinal alone (law 3). The ordinal tells apart the posts of one decision.
        Without a cause, the campaign, the experiment and the type of the event stand for it.
        """
        root = cause.id if cause else derive(campaign, post.experiment, type(post.event).__name__)
        return Envelope(
            id=derive(root, self.role, ordinal),
            source=self.source,
            time=datetime.now(UTC),
            campaign=campaign,
            experiment=post.experiment,
            event=post.event,
            cause=_logged_cause(cause),
        )

    async def publish(
        self, post: Post, campaign: str, cause: Envelope | None = None, ordinal: int | str = 0
    ) -> int | None:
        """Publish an event and return its position, or None if the stream drops it (see Transport).

        If another message has its id, that is reported, and the event gets another id. Raises TransportError.
        """
        first = self.envelope_for(post, campaign, cause, ordinal)
        subject = subjects.event_subject(first)
        for number in range(MAX_ALTERNATIVE_IDS + 1):
            envelope = replace(first, id=alternative_id(first.id, number))
            payload = mask_payload(encode(envelope))
            receipt = await self.transport.publish(subject, payload, envelope.id, post.expected_last)
            holder = None if isinstance(post.event, LossPoint) else receipt.duplicate_of
            if holder is None or await self._is_at(envelope, holder):
                return receipt.position
        raise TransportError(f"can't publish on {subject}: other messages have id {first.id} and its alternatives")

    async def _is_at(self, envelope: Envelope, position: int) -> bool:
        """Return True if this role has published an event at a position; report any other message there."""
        try:
            stored = await self.transport.next_message(subjects.LOG, position - 1)
        except PermissionDenied:
            return True  # by the rules of an older lab, no role reads the log
        if stored is None or stored.seq != position:
            return True  # a replica of the stream that is still behind
        subject = subjects.event_subject(envelope)
        if stored.subject == subject and _event_at(stored, envelope.role, envelope.id):
            return True
        reason = f"message has id {envelope.id} of an event on {subject}, which is published under another id"
        log.error("id is taken", position=position, subject=stored.subject, reason=reason)
        self.vitals.record_error(f"position {position}: {reason}")
        await self.publish_dead_letter(stored, reason)
        return False

    async def own_events(self, subject: str) -> list[Envelope]:
        """Return the role's own events on a subject of the log, oldest first. Raises NoAnswer."""
        events: list[Envelope] = []
        position = 0
        with suppress(PermissionDenied):  # by the rules of an older lab, no role reads the log
            while stored := await self.transport.next_message(subjects.LOG, position, subject):
                position = stored.seq
                if event := _event_at(stored, self.role):
                    events.append(event)
        return events

    def follow(
        self, after: int = 0, batch_delay: float = 0.0, news_request: asyncio.Event | None = None
    ) -> AsyncIterator[Sequence[StoredMessage]]:
        """Yield the messages of the log after a position, in batches; see Transport."""
        return self.transport.follow(subjects.LOG, after, batch_delay=batch_delay, news_request=news_request)

    async def newest_position(self, patience: float = ANSWER_PATIENCE_S, stream: str = subjects.LOG) -> int:
        """Return a stream's newest position; if the server is away, retry for `patience` s. Raises TransportError."""
        return await _retry(lambda: self.transport.last_seq(stream), patience)

    async def whole_log(self) -> list[StoredMessage]:
        """Return the log's messages so far, oldest first. Raises TransportError."""
        messages: list[StoredMessage] = []
        while batch := await self.transport.read(subjects.LOG, messages[-1].seq if messages else 0):
            messages += batch
        return messages

    async def message_at(self, position: int) -> StoredMessage | None:
        """Return the log's message at a position; None if the log ends before it. Raises TransportError."""
        messages = await self.transport.read(subjects.LOG, position - 1, max_batch=1)
        return next((stored for stored in messages if stored.seq == position), None)

    async def ask(self, query: Query, patience: float = ANSWER_PATIENCE_S) -> Record:
        """Return memory's reply; see `ask_recorded`."""
        return (await self.ask_recorded(query, patience)).reply

    async def ask_recorded(self, query: Query, patience: float = ANSWER_PATIENCE_S) -> RecordedAnswer:
        """Return memory's answer; if memory is away or behind, retry for `patience` seconds.

        Raises QueryRefused, MemoryBehind, NoAnswer.
        """
        subject, payload = subjects.query(query.name), query.model_dump_json().encode()
        timeouts = chain(REQUEST_TIMEOUTS_S, repeat(REQUEST_TIMEOUTS_S[-1]))

        async def request() -> RecordedAnswer:
            reply = await self.transport.request(subject, payload, min(patience, next(timeouts)))
            return decode_reply(query, reply)

        return await _retry(request, patience)

    async def serve_query(self, kind: type[Q], handler: Callable[[Q], Awaitable[Record]]) -> None:
        """Answer a kind of query; if the handler raises ValueError or no message holds the reply, send an error."""

        async def respond(payload: bytes) -> bytes:
            with self.vitals.busy():
                try:
                    return self._fitting(kind.name, encode_reply(await handler(kind.model_validate_json(payload))))
                except ValueError as error:
                    return self._refuse(error)

        await self.transport.serve(subjects.query(kind.name), respond)

    def _fitting(self, name: str, reply: bytes) -> bytes:
        """Return a reply that a message holds: a longer one would never arrive, and be asked for for ever.

        Raises ValueError for a longer one.
        """
        if len(reply) > (most := self.transport.max_message_bytes):
            raise ValueError(f"the answer to {name} has {len(reply)} bytes, more than a message may have ({most})")
        return reply

    def _refuse(self, error: ValueError) -> bytes:
        """Count an error and return the reply that carries it."""
        reason = _invalid_query(error) if isinstance(error, ValidationError) else str(error)
        self.vitals.record_error(reason)
        return encode_error(reason, later=isinstance(error, AnswerPending))

    async def publish_trace(self, cause: Envelope, answers: Sequence[RecordedAnswer]) -> None:
        """Record what a decision read, so that a replay reads the same. Raises TransportError."""
        payload = mask_payload(traces.encode(self.role, cause.id, answers))
        message_id = traces.trace_id(self.role, cause.id, payload)
        await self.transport.publish(subjects.trace(cause.id), payload, message_id)

    async def publish_dead_letter(
        self,
        stored: StoredMessage,
        reason: str,
        *,
        stack: str = "",
        deliveries: int = 1,
        fallback: Sequence[Post] = (),
        retry: int = 0,
    ) -> None:
        """Keep a message that the role can't handle as a dead letter, with its bytes except for secrets.

        `stack` is the traceback, `fallback` what the role published in place of a decision, and `retry` how often the
        message was retried before. Raises TransportError.
        """
        original = StoredMessage(stored.seq, stored.subject, mask_payload(stored.payload))
        types = tuple(type(post.event).__name__ for post in fallback)
        letter = DeadLetter(self.role, mask(reason), original, mask(stack), deliveries, types, retry)
        encoded = dead_letters.encode(letter)
        if len(encoded) > self.transport.max_message_bytes:  # bytes that are no text take up to six characters each
            encoded = dead_letters.encode(letter, whole=False)
        await self.transport.publish(subjects.dead_letter(self.role), encoded, letter.id)

    async def retry_dead_letter(self, letter: DeadLetter) -> bool:
        """Send a letter's message to its role again; return False if it had been sent before. Raises TransportError."""
        subject = subjects.dead_letter_retry(letter.role)
        receipt = await self.transport.publish(subject, dead_letters.encode(letter.for_retry()), letter.id)
        return receipt.position is not None


def _event_at(stored: StoredMessage, role: str, event_id: str | None = None) -> Envelope | None:
    """Return the event in a message if it is the role's own, and has an id if one is given."""
    try:
        event = subjects.decode_event(stored)
    except MalformedMessage:
        return None
    return event if event.role == role and event_id in (None, event.id) else None


def _logged_cause(cause: Envelope | None) -> str | None:
    """Return the cause's id as the log has it; None without a cause.

    The log lacks a person's raw words (`Spoken`). Their own cause, the start of the campaign, takes their place.
    """
    if cause is None:
        return None
    return cause.cause if isinstance(cause.event, Spoken) else cause.id


def _invalid_query(error: ValidationError) -> str:
    """Return the first fault of an invalid query, in one line and without the query's own text."""
    return f"bad query: {error.errors(include_url=False, include_input=False)[0]['msg']}"


async def _retry(call: Callable[[], Awaitable[T]], patience: float) -> T:
    """Return the result of a call; on NoAnswer and MemoryBehind, repeat it for `patience` seconds, then raise."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await call()
        except (NoAnswer, MemoryBehind):
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(RETRY_DELAY_S)
