"""The actor loop: what a decision says is published once, whatever dies or fails on the way."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from bus import subjects
from bus.actor import MAX_DELIVERIES, Actor
from bus.bus import Bus
from bus.envelope import Envelope, decode
from bus.events import CampaignPaused, CampaignResumed, Event, Record
from bus.memory_transport import MemoryTransport
from bus.queries import AskStanding, Standing
from bus.role import Decision, Post
from bus.transport import Durable, Stored


class Echo:
    """Upon a pause, asks where the campaign stands and says so in a resume."""

    name: ClassVar[str] = "echo"
    handles: ClassVar[tuple[type[Event], ...]] = (CampaignPaused,)

    def decide(self, said: Envelope) -> Decision:
        """Ask, then say."""
        standing: Standing = yield AskStanding(campaign=said.campaign, at=said.seq)
        yield Post("e0001", CampaignResumed(by="first"))
        return [Post("e0001", CampaignResumed(by="second", why=str(standing.settled)))]


class Faulty(Echo):
    """Raises in every decision, and knows what follows from that."""

    def decide(self, said: Envelope) -> Decision:
        """Fail."""
        raise KeyError("broken")
        yield

    def give_up(self, said: Envelope, reason: str) -> Sequence[Post]:
        """Say that it is over."""
        return [Post("e0001", CampaignResumed(by="given up", why=reason))]


async def answered(transport: MemoryTransport) -> None:
    """Answer AskStanding as memory would."""

    async def answer(_: AskStanding) -> Record:
        return Standing(settled=4)

    await Bus(transport, "memory").answer(AskStanding, answer)


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
    await Bus(transport, "director").say(Post("e0001", CampaignPaused(by="ada")), "c")
    await run_until(Actor(Bus(transport, "echo"), Echo()), lambda: _reached(transport, 3))
    said = [decode(stored.payload, stored.seq) for stored in await log_of(transport)]
    assert [envelope.event.by for envelope in said[1:]] == ["first", "second"]  # type: ignore[attr-defined]
    assert {envelope.cause for envelope in said[1:]} == {said[0].id}
    assert said[2].event.why == "4"  # type: ignore[attr-defined]


async def test_a_redelivered_message_says_nothing_new() -> None:
    """Deciding twice upon one event leaves one set of facts."""
    transport = MemoryTransport()
    await answered(transport)
    await Bus(transport, "director").say(Post("e0001", CampaignPaused(by="ada")), "c")
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
    await bus.say(Post("e0001", CampaignPaused(by="ada")), "c")
    await run_until(Actor(Bus(transport, "echo"), Echo()), lambda: _reached(transport, 3))
    (trace,) = await log_of(transport, subjects.TRACES)
    body = json.loads(trace.payload)
    assert trace.subject.endswith(body["cause"])
    assert body["answers"][0]["reply"]["settled"] == 4


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
    await bus.say(Post("e0001", CampaignPaused(by="ada")), "c")
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
    one = Bus(MemoryTransport(), "echo", "1").envelop(post, "c", cause, 0)
    two = Bus(MemoryTransport(), "echo", "2").envelop(post, "c", cause, 0)
    assert one.id == two.id
    assert one.id != Bus(MemoryTransport(), "echo", "1").envelop(post, "c", cause, 1).id
