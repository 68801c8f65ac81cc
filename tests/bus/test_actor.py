"""The actor loop: a decision's events are published once, whatever dies or fails on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.inbox import MAX_DELIVERIES
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.delivery.transport import Durable
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Event, Record
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.vocabulary.questions import Completion, CompletionReply, Question
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from bus.wire.stored_message import StoredMessage
from tests.support.roles import spec_of

PAUSES = ("lab.events.c.*.CampaignPaused",)
COMPLETION = Completion(instructions="i", prompt="p", schema_name="s")


class Echo:
    """After a pause, asks for the campaign's status and repeats it in a second resume."""

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, post early, post at the end."""
        status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
        yield Post("e0001", CampaignResumed(by="first"))
        return [Post("e0001", CampaignResumed(by="second", why=str(status.settled)))]


class Faulty(Echo):
    """Raises in every decision, and has a fallback."""

    def decide(self, envelope: Envelope) -> Decision:
        """Fail."""
        raise KeyError("broken")
        yield

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Return the fallback."""
        return [Post("e0001", CampaignResumed(by="given up", why=reason))]


class Questioner(Echo):
    """Asks a question and posts the type of the reply."""

    def __init__(self, question: Callable[[Envelope], Question]) -> None:
        self._question = question

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then post."""
        reply = yield self._question(envelope)
        return [Post("e0001", CampaignResumed(by="echo", why=type(reply).__name__))]


ECHO = spec_of(Echo())


class SlowTraces(MemoryTransport):
    """A server that stores traces only after `traces_allowed` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.traces_allowed = asyncio.Event()

    async def publish(
        self, subject: str, payload: bytes, message_id: str, expected_last: int | None = None
    ) -> int | None:
        """Delay traces."""
        if subject.startswith("lab.traces."):
            await self.traces_allowed.wait()
        return await super().publish(subject, payload, message_id, expected_last)


async def serve_status(transport: MemoryTransport) -> None:
    """Answer AskCampaignStatus as memory would."""

    async def answer(_: AskCampaignStatus) -> Record:
        return CampaignStatus(settled=4)

    await Bus(transport, "memory").serve_query(AskCampaignStatus, answer)


async def publish_pause(transport: MemoryTransport, by: str = "ada") -> None:
    """Publish a pause as the director, with `by` as its ordinal."""
    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by=by)), "c", ordinal=by)


async def messages_of(transport: MemoryTransport, stream: str = subjects.LOG) -> list[StoredMessage]:
    """Return what a stream holds."""
    if await transport.last_seq(stream):
        async for batch in transport.follow(stream, 0, max_batch=10_000):
            return list(batch)
    return []


async def has(transport: MemoryTransport, count: int, stream: str = subjects.LOG) -> bool:
    """Return True if a stream holds at least `count` messages."""
    return await transport.last_seq(stream) >= count


async def wait_for(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(actor: Actor) -> AsyncIterator[None]:
    """Run an actor while the context lasts."""
    task = asyncio.create_task(actor.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run_until(actor: Actor, condition: Callable[[], Awaitable[bool]]) -> None:
    """Run an actor until a condition holds."""
    async with running(actor):
        await wait_for(condition)


async def test_posts_carry_their_cause_and_come_in_order() -> None:
    """A decision's events stand in the log in order, with the id of their cause."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has(transport, 3))
    pause, *resumes = [decode(stored.payload, stored.seq) for stored in await messages_of(transport)]
    assert [envelope.event.by for envelope in resumes] == ["first", "second"]  # type: ignore[attr-defined]
    assert {envelope.cause for envelope in resumes} == {pause.id}
    assert resumes[1].event.why == "4"  # type: ignore[attr-defined]


async def test_a_redelivered_message_adds_no_event() -> None:
    """Two decisions about one event leave one set of events."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    actor = Actor(Bus(transport, "echo"), ECHO)
    for name in ("once", "twice"):
        delivery = await transport.pull(Durable(name, subjects.LOG, PAUSES), 1.0)
        assert delivery
        await actor.handle(delivery)
    assert await transport.last_seq(subjects.LOG) == 3


async def test_a_trace_records_the_answers_under_the_cause() -> None:
    """A replay finds the answers that a decision had, without default values."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has(transport, 3))
    (trace,) = await messages_of(transport, subjects.TRACES)
    body = json.loads(trace.payload)
    assert trace.subject.endswith(body["cause"])
    assert body["answers"][0]["reply"] == {"settled": 4}


async def test_events_do_not_wait_for_the_trace_of_memorys_answers() -> None:
    """Memory would answer the same again, so a decision saves the wait for one acknowledgement."""
    transport = SlowTraces()
    await serve_status(transport)
    await publish_pause(transport)
    role = Questioner(lambda envelope: AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq))
    await run_until(Actor(Bus(transport, "echo"), ECHO, role), lambda: has(transport, 2))
    assert not await messages_of(transport, subjects.TRACES)


async def test_events_wait_for_the_trace_of_a_models_answer() -> None:
    """A model would answer differently the next time, and then the events could not be replayed."""
    transport = SlowTraces()
    answered = asyncio.Event()

    async def complete(_: Envelope, __: Completion) -> Record:
        answered.set()
        return CompletionReply(body="{}")

    await publish_pause(transport)
    async with running(
        Actor(Bus(transport, "echo"), ECHO, Questioner(lambda _: COMPLETION), answerers={Completion: complete})
    ):
        await asyncio.wait_for(answered.wait(), 10)
        for _ in range(100):
            await asyncio.sleep(0)
        assert await transport.last_seq(subjects.LOG) == 1
        transport.traces_allowed.set()
        await wait_for(lambda: has(transport, 2))
    assert len(await messages_of(transport, subjects.TRACES)) == 1


@pytest.mark.parametrize(("kinds", "order"), [((CampaignPaused,), ["1", "2"]), ((), ["2", "1"])])
async def test_decisions_about_kinds_in_order_keep_the_order(kinds: tuple[type[Event], ...], order: list[str]) -> None:
    """Even if the first takes longer than the second, and both could be in progress at once."""
    transport = MemoryTransport()
    second_is_out = asyncio.Event()

    class Repeating(Echo):
        def decide(self, envelope: Envelope) -> Decision:
            yield COMPLETION
            return [Post("e0001", CampaignResumed(by=envelope.event.by))]  # type: ignore[attr-defined]

    async def complete(envelope: Envelope, _: Completion) -> Record:
        first = envelope.event.by == "1"  # type: ignore[attr-defined]
        if first and not kinds:
            await second_is_out.wait()
        await asyncio.sleep(0.05 if first else 0.0)
        return CompletionReply()

    async def both_are_out() -> bool:
        if await has(transport, 3):
            second_is_out.set()
        return await has(transport, 4)

    for number in ("1", "2"):
        await publish_pause(transport, number)
    actor = Actor(
        Bus(transport, "echo"),
        replace(ECHO, concurrency=4, in_order=kinds),
        Repeating(),
        answerers={Completion: complete},
    )
    await run_until(actor, both_are_out)
    events = [decode(stored.payload).event for stored in await messages_of(transport)]
    assert [event.by for event in events if isinstance(event, CampaignResumed)] == order


async def test_a_message_stays_with_its_process_during_a_long_decision() -> None:
    """It is not delivered to another process, even after several times its `ack_wait`."""
    transport = MemoryTransport()
    decisions: list[Envelope] = []

    async def complete(envelope: Envelope, _: Completion) -> Record:
        decisions.append(envelope)
        await asyncio.sleep(1.0)
        return CompletionReply()

    await publish_pause(transport)
    spec = replace(ECHO, inbox=Durable("echo", subjects.LOG, PAUSES, ack_wait=0.3), concurrency=2)
    role = Questioner(lambda _: COMPLETION)
    actor = Actor(Bus(transport, "echo"), spec, role, answerers={Completion: complete})
    await run_until(actor, lambda: has(transport, 2))
    assert len(decisions) == 1


async def test_a_malformed_message_becomes_a_dead_letter() -> None:
    """The letter keeps its bytes and the reason, and the actor goes on."""
    transport = MemoryTransport()
    await transport.publish("lab.events.c.e0001.CampaignPaused", b"{nonsense", "m1")
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has(transport, 1, subjects.DEAD))
    (letter,) = await messages_of(transport, subjects.DEAD)
    body = json.loads(letter.payload)
    assert bytes.fromhex(body["payload_hex"]) == b"{nonsense"
    assert body["reason"]


async def test_a_decision_that_keeps_failing_is_given_up_with_the_fallback() -> None:
    """After the last delivery the role's fallback is published, and the letter keeps the traceback."""
    transport = MemoryTransport()
    await publish_pause(transport)
    actor = Actor(Bus(transport, "echo"), ECHO, Faulty())
    durable = Durable("echo", subjects.LOG, PAUSES, ack_wait=0.01)
    for _ in range(MAX_DELIVERIES):
        delivery = await transport.pull(durable, 5.0)
        assert delivery
        transport._consumers["echo"].count[delivery.stored.seq] = MAX_DELIVERIES - 1
        await actor.handle(delivery)
        if await transport.last_seq(subjects.DEAD):
            break
    (letter,) = await messages_of(transport, subjects.DEAD)
    assert "KeyError" in json.loads(letter.payload)["stack"]
    last = decode((await messages_of(transport))[-1].payload)
    assert last.event == CampaignResumed(by="given up", why="KeyError: 'broken'")


async def test_a_message_that_ended_its_process_too_often_is_given_up_without_a_decision() -> None:
    """Another decision would end the next process too."""
    transport = MemoryTransport()
    await publish_pause(transport)
    durable = Durable("echo", subjects.LOG, PAUSES, ack_wait=0.01)
    delivery = await transport.pull(durable, 5.0)
    while delivery and delivery.deliveries <= MAX_DELIVERIES:
        delivery = await transport.pull(durable, 5.0)
    assert delivery
    await Actor(Bus(transport, "echo"), ECHO, Faulty()).handle(delivery)
    (letter,) = await messages_of(transport, subjects.DEAD)
    body = json.loads(letter.payload)
    assert "its process died" in body["reason"]
    assert (body["stack"], body["deliveries"], body["said"]) == ("", MAX_DELIVERIES + 1, ["CampaignResumed"])
