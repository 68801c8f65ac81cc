"""The actor loop: what a decision says is published once, whatever dies or fails on the way."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from bus.delivery.actor import MAX_DELIVERIES, Actor, Inbox
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.delivery.transport import Durable
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Event, Record
from bus.vocabulary.queries import AskStanding, CampaignStatus
from bus.vocabulary.questions import Completion, CompletionReply, Question
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from bus.wire.stored import Stored


class Echo:
    """Upon a pause, asks where the campaign stands and says so in a resume."""

    name: ClassVar[str] = "echo"
    handles: ClassVar[tuple[type[Event], ...]] = (CampaignPaused,)

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then say."""
        standing: CampaignStatus = yield AskStanding(campaign=envelope.campaign, at=envelope.seq)
        yield Post("e0001", CampaignResumed(by="first"))
        return [Post("e0001", CampaignResumed(by="second", why=str(standing.settled)))]


class Faulty(Echo):
    """Raises in every decision, and knows what follows from that."""

    def decide(self, envelope: Envelope) -> Decision:
        """Fail."""
        raise KeyError("broken")
        yield

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Say that it is over."""
        return [Post("e0001", CampaignResumed(by="given up", why=reason))]


async def answered(transport: MemoryTransport) -> None:
    """Answer AskStanding as memory would."""

    async def answer(_: AskStanding) -> Record:
        return CampaignStatus(settled=4)

    await Bus(transport, "memory").serve_query(AskStanding, answer)


async def log_of(transport: MemoryTransport, stream: str = subjects.LOG) -> list[Stored]:
    """Return what a stream holds."""
    if not await transport.last_seq(stream):
        return []
    return [stored async for batch in _one(transport, stream) for stored in batch]


async def _one(transport: MemoryTransport, stream: str):
    async for batch in transport.follow(stream, 0, max_batch=10_000):
        yield batch
        return


async def run_until(actor: Actor, condition) -> None:
    """Run an actor until a condition holds."""
    task = asyncio.create_task(actor.run())
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_posts_carry_their_cause_and_come_in_order() -> None:
    """A decision's posts stand in the log with derived ids under the id of what led to them."""
    transport = MemoryTransport()
    await answered(transport)
    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    await run_until(Actor(Bus(transport, "echo"), Echo()), lambda: _reached(transport, 3))
    said = [decode(stored.payload, stored.seq) for stored in await log_of(transport)]
    assert [envelope.event.by for envelope in said[1:]] == ["first", "second"]  # type: ignore[attr-defined]
    assert {envelope.cause for envelope in said[1:]} == {said[0].id}
    assert said[2].event.why == "4"  # type: ignore[attr-defined]


async def test_a_redelivered_message_says_nothing_new() -> None:
    """Deciding twice upon one event leaves one set of facts."""
    transport = MemoryTransport()
    await answered(transport)
    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    actor = Actor(Bus(transport, "echo"), Echo())
    again = Durable("again", subjects.LOG, ("lab.events.c.*.CampaignPaused",))
    for durable in (again, Durable("twice", subjects.LOG, again.filters)):
        delivery = await transport.pull(durable, 1.0)
        assert delivery
        await actor.handle(delivery)
    assert await transport.last_seq(subjects.LOG) == 3


async def test_what_was_read_is_traced_under_the_cause() -> None:
    """A replay finds the answers that a decision had."""
    transport = MemoryTransport()
    await answered(transport)
    bus = Bus(transport, "director")
    await bus.publish(Post("e0001", CampaignPaused(by="ada")), "c")
    await run_until(Actor(Bus(transport, "echo"), Echo()), lambda: _reached(transport, 3))
    (trace,) = await log_of(transport, subjects.TRACES)
    body = json.loads(trace.payload)
    assert trace.subject.endswith(body["cause"])
    assert body["answers"][0]["reply"] == {"settled": 4}, "what is as it is by default need not be said"


class Late(MemoryTransport):
    """A server that keeps traces only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    async def publish(self, subject: str, payload: bytes, message_id: str, last: int | None = None) -> int | None:
        """Let a trace wait."""
        if subject.startswith("lab.traces."):
            await self.told.wait()
        return await super().publish(subject, payload, message_id, last)


class Thinker(Echo):
    """Asks a question and repeats the reply in a resume."""

    def __init__(self, question: Callable[[Envelope], Question]) -> None:
        self._question = question

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then say."""
        reply = yield self._question(envelope)
        return [Post("e0001", CampaignResumed(by="echo", why=type(reply).__name__))]


async def test_what_memory_answered_need_not_be_kept_before_what_follows_from_it() -> None:
    """It would answer the same again, so a decision waits for one acknowledgement less."""
    transport = Late()
    await answered(transport)
    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    actor = Actor(Bus(transport, "echo"), Thinker(lambda said: AskStanding(campaign=said.campaign, at=said.seq)))
    await run_until(actor, lambda: _reached(transport, 2))
    assert not await log_of(transport, subjects.TRACES)


async def test_what_a_model_wrote_is_kept_before_what_follows_from_it() -> None:
    """Asked again it would write something else, and what was said could not be replayed."""
    transport = Late()
    written = asyncio.Event()

    async def write(_: Envelope, __: Completion) -> Record:
        written.set()
        return CompletionReply(body="{}")

    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    question = Completion(instructions="i", prompt="p", schema_name="s")
    task = asyncio.create_task(Actor(Bus(transport, "echo"), Thinker(lambda _: question), {Completion: write}).run())
    await asyncio.wait_for(written.wait(), 10)
    for _ in range(100):
        await asyncio.sleep(0)
    assert await transport.last_seq(subjects.LOG) == 1
    transport.told.set()
    async with asyncio.timeout(20):
        while not await _reached(transport, 2):
            await asyncio.sleep(0.01)
    assert len(await log_of(transport, subjects.TRACES)) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("kinds", "order"), [((CampaignPaused,), ["1", "2"]), ((), ["2", "1"])])
async def test_words_may_be_decided_upon_in_their_order(kinds: tuple[type[Event], ...], order: list[str]) -> None:
    """Though the first takes longer than the second, and both are under way at once."""
    transport = MemoryTransport()
    second_is_out = asyncio.Event()

    class Repeating(Echo):
        def decide(self, envelope: Envelope) -> Decision:
            yield Completion(instructions="", prompt="", schema_name="")
            return [Post("e0001", CampaignResumed(by=envelope.event.by))]  # type: ignore[attr-defined]

    async def dawdle(envelope: Envelope, _: Completion) -> Record:
        if envelope.event.by == "1" and not kinds:  # type: ignore[attr-defined]
            await second_is_out.wait()
        await asyncio.sleep(0.05 if envelope.event.by == "1" else 0.0)  # type: ignore[attr-defined]
        return CompletionReply()

    async def out() -> bool:
        if await _reached(transport, 3):
            second_is_out.set()
        return await _reached(transport, 4)

    for number in ("1", "2"):
        await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by=number)), "c", ordinal=number)
    actor = Actor(Bus(transport, "echo"), Repeating(), {Completion: dawdle}, concurrency=4, in_order=kinds)
    await run_until(actor, out)
    said = [decode(stored.payload).event for stored in await log_of(transport)]
    assert [event.by for event in said if isinstance(event, CampaignResumed)] == order


async def test_a_message_is_kept_while_its_decision_takes_long() -> None:
    """No second process is given it, however often its time to be acknowledged passes."""
    transport = MemoryTransport()
    asked: list[Envelope] = []

    async def take_long(envelope: Envelope, _: Completion) -> Record:
        asked.append(envelope)
        await asyncio.sleep(1.0)
        return CompletionReply()

    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    inbox = Inbox(
        Durable("echo", subjects.LOG, ("lab.events.c.*.CampaignPaused",), ack_wait=0.3), subjects.decode_event
    )
    question = Completion(instructions="", prompt="", schema_name="")
    role = Thinker(lambda _: question)
    actor = Actor(Bus(transport, "echo"), role, {Completion: take_long}, inbox=inbox, concurrency=2)
    await run_until(actor, lambda: _reached(transport, 2))
    assert len(asked) == 1


async def test_a_malformed_message_becomes_a_dead_letter() -> None:
    """Its bytes and its reason are kept, and nothing stops."""
    transport = MemoryTransport()
    await transport.publish("lab.events.c.e0001.CampaignPaused", b"{nonsense", "m1")
    await run_until(Actor(Bus(transport, "echo"), Echo()), lambda: _reached(transport, 1, subjects.DEAD))
    (letter,) = await log_of(transport, subjects.DEAD)
    body = json.loads(letter.payload)
    assert bytes.fromhex(body["payload_hex"]) == b"{nonsense"
    assert body["reason"]


async def test_a_decision_that_keeps_failing_is_given_up_with_what_follows() -> None:
    """After the last delivery the role says how it ends, and the letter keeps the traceback."""
    transport = MemoryTransport()
    bus = Bus(transport, "director")
    await bus.publish(Post("e0001", CampaignPaused(by="ada")), "c")
    actor = Actor(Bus(transport, "echo"), Faulty())
    durable = Durable("echo", subjects.LOG, ("lab.events.c.*.CampaignPaused",), ack_wait=0.01)
    for _ in range(MAX_DELIVERIES):
        delivery = await transport.pull(durable, 5.0)
        assert delivery
        transport._consumers["echo"].count[delivery.stored.seq] = MAX_DELIVERIES - 1
        await actor.handle(delivery)
        if await transport.last_seq(subjects.DEAD):
            break
    (letter,) = await log_of(transport, subjects.DEAD)
    assert "KeyError" in json.loads(letter.payload)["stack"]
    last = decode((await log_of(transport))[-1].payload)
    assert last.event == CampaignResumed(by="given up", why="KeyError: 'broken'")


async def _reached(transport: MemoryTransport, count: int, stream: str = subjects.LOG) -> bool:
    return await transport.last_seq(stream) >= count


def test_ids_depend_on_cause_role_and_ordinal_alone() -> None:
    """A second process of a role derives the same ids as the first."""
    cause = Envelope("c1", "/lab/x/1", datetime.now(UTC), "c", "e0001", CampaignPaused(by="ada"))
    post = Post("e0001", CampaignResumed(by="ada"))
    one = Bus(MemoryTransport(), "echo", "1").envelope_for(post, "c", cause, 0)
    two = Bus(MemoryTransport(), "echo", "2").envelope_for(post, "c", cause, 0)
    assert one.id == two.id
    assert one.id != Bus(MemoryTransport(), "echo", "1").envelope_for(post, "c", cause, 1).id
