"""The actor loop publishes a decision's events once, whatever process dies or whatever call fails."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.dead_letters import decode as decode_letter
from bus.delivery.inbox import MAX_DELIVERIES, Inbox
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.query_replies import MemoryBehind
from bus.delivery.role import Decision, Post
from bus.delivery.transport import Durable, NoAnswer
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Event, Record
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from tests.support.echo_role import (
    COMPLETION,
    ECHO,
    Echo,
    Questioner,
    has_messages,
    messages_of,
    publish_pause,
    run_until,
    serve_status,
)

PAUSES = ("lab.events.c.*.CampaignPaused",)


class Faulty(Echo):
    """Raises in every decision, and has a fallback."""

    def decide(self, envelope: Envelope) -> Decision:
        """Fail."""
        raise KeyError("broken")
        yield

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Return the fallback."""
        return [Post("e0001", CampaignResumed(by="given up", why=reason))]


async def test_posts_carry_their_cause_and_come_in_order() -> None:
    """The log has a decision's events in order, with the id of their cause."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has_messages(transport, 3))
    pause, *resumes = [decode(stored.payload, stored.seq) for stored in await messages_of(transport)]
    assert [envelope.event.by for envelope in resumes] == ["first", "second"]  # type: ignore[attr-defined]
    assert {envelope.cause for envelope in resumes} == {pause.id}
    assert resumes[1].event.why == "4"  # type: ignore[attr-defined]


async def test_a_redelivered_message_adds_no_event() -> None:
    """Two decisions on one event publish one set of events."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    actor = Actor(Bus(transport, "echo"), ECHO)
    for name in ("first", "second"):
        delivery = await transport.pull(Durable(name, subjects.LOG, PAUSES), 1.0)
        assert delivery
        await actor.handle(delivery)
    assert await transport.last_seq(subjects.LOG) == 3


@pytest.mark.parametrize(("kinds", "order"), [((CampaignPaused,), ["1", "2"]), ((), ["2", "1"])])
async def test_decisions_on_ordered_event_types_keep_their_order(
    kinds: tuple[type[Event], ...], order: list[str]
) -> None:
    """They do, even if the first one takes longer and the role allows several at once."""
    transport = MemoryTransport()
    second_is_published = asyncio.Event()

    class Repeating(Echo):
        def decide(self, envelope: Envelope) -> Decision:
            yield COMPLETION
            return [Post("e0001", CampaignResumed(by=envelope.event.by))]  # type: ignore[attr-defined]

    async def complete(envelope: Envelope, _: Completion) -> Record:
        is_first = envelope.event.by == "1"  # type: ignore[attr-defined]
        if is_first and not kinds:
            await second_is_published.wait()
        await asyncio.sleep(0.05 if is_first else 0.0)
        return CompletionReply()

    async def both_are_published() -> bool:
        if await has_messages(transport, 3):
            second_is_published.set()
        return await has_messages(transport, 4)

    for number in ("1", "2"):
        await publish_pause(transport, number)
    actor = Actor(
        Bus(transport, "echo"),
        replace(ECHO, concurrency=4, in_order=kinds),
        Repeating(),
        answerers={Completion: complete},
    )
    await run_until(actor, both_are_published)
    events = [decode(stored.payload).event for stored in await messages_of(transport)]
    assert [event.by for event in events if isinstance(event, CampaignResumed)] == order


async def test_a_message_stays_with_its_process_during_a_long_decision() -> None:
    """The server delivers it to no other process, even after several times its `ack_wait`."""
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
    await run_until(actor, lambda: has_messages(transport, 2))
    assert len(decisions) == 1


async def test_a_malformed_message_becomes_a_dead_letter() -> None:
    """The letter has its bytes and the reason, and the actor continues."""
    transport = MemoryTransport()
    await transport.publish("lab.events.c.e0001.CampaignPaused", b"{nonsense", "m1")
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has_messages(transport, 1, subjects.DEAD))
    (letter,) = await messages_of(transport, subjects.DEAD)
    body = json.loads(letter.payload)
    assert bytes.fromhex(body["payload_hex"]) == b"{nonsense"
    assert body["reason"]


async def test_a_decision_that_keeps_failing_is_given_up_with_the_fallback() -> None:
    """After the last delivery the actor publishes the role's fallback, and the letter has the traceback."""
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
    fallback = decode((await messages_of(transport))[-1].payload)
    assert fallback.event == CampaignResumed(by="given up", why="KeyError: 'broken'")


async def test_a_message_that_ended_its_process_too_often_is_given_up_without_a_decision() -> None:
    """Another decision would end another process."""
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


async def test_a_drained_actor_finishes_its_work_and_takes_no_more() -> None:
    """The decision in hand publishes its events; the message after it waits for another process."""
    transport, answering = MemoryTransport(), asyncio.Event()
    await publish_pause(transport)
    bus, asked = Bus(transport, "echo"), asyncio.Event()

    async def answer(_: AskCampaignStatus) -> CampaignStatus:
        asked.set()
        await answering.wait()
        return CampaignStatus(settled=4)

    await Bus(transport, "memory").serve_query(AskCampaignStatus, answer)
    work = asyncio.create_task(Actor(bus, ECHO).run())
    await asked.wait()
    bus.drain()
    await Bus(transport, "director").publish(Post("e0002", CampaignPaused(by="ada")), "c", None, "later")
    answering.set()
    async with asyncio.timeout(10):
        await work
    events = [decode(stored.payload).event for stored in await messages_of(transport)]
    assert [type(event).__name__ for event in events].count("CampaignResumed") == 2
    assert bus.vitals.done == 1
    assert bus.vitals.report()["draining"]


@pytest.mark.parametrize("error", [NoAnswer("memory is away"), MemoryBehind("memory is behind")])
async def test_a_retried_letter_that_waits_for_memory_outlives_a_drain(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its one attempt has not failed: the next process decides, and no second letter is written."""
    transport = MemoryTransport()
    bus, inbox = Bus(transport, "echo"), Inbox.of(ECHO).retry_inbox()
    await publish_pause(transport)
    await bus.publish_dead_letter((await messages_of(transport))[0], "ill")
    await bus.retry_dead_letter(decode_letter((await messages_of(transport, subjects.DEAD))[0]))
    monkeypatch.setattr(bus, "ask_recorded", AsyncMock(side_effect=error))
    bus.drain()
    delivery = await transport.pull(inbox.durable, 1.0)
    assert delivery
    await Actor(bus, ECHO).handle(delivery, inbox)
    assert await transport.last_seq(subjects.DEAD) == 1
    again = await transport.pull(inbox.durable, 5.0)
    assert again
    assert (again.stored, again.deliveries) == (delivery.stored, 2)
