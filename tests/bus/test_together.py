"""Independent parts of a decision: an actor runs them at the same time, and a trace has them in order."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.deciding import DecisionDriver
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.replay import replay_role
from bus.delivery.role import Decision, Post, Subdecision, together
from bus.delivery.settled import EarlierDecision
from bus.delivery.traces import read_traces
from bus.delivery.transport import Durable
from bus.vocabulary.events import CampaignResumed, HumanAnswered, Record
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope
from tests.support.echo_role import COMPLETION, has_messages, messages_of, publish_pause, run_until, running, wait_for
from tests.support.roles import spec_of

PARTS = 6


def answered(name: str) -> HumanAnswered:
    """Return what a part posts."""
    return HumanAnswered(question=name, answer="soon", to="ada")


class Parted:
    """After a pause, asks a model two questions in each of six parts, and posts what came of all."""

    def decide(self, envelope: Envelope) -> Decision:
        """Ask in parts, then post."""
        bodies = yield from together(self.part(str(number)) for number in range(PARTS))
        return [Post(envelope.experiment, CampaignResumed(by="parted", why=" ".join(bodies)))]

    def part(self, name: str) -> Subdecision[str]:
        """Ask twice, with a post between the two."""
        first: CompletionReply = yield COMPLETION.model_copy(update={"prompt": name})
        yield Post("e0001", answered(name), key=f"part {name}")
        second: CompletionReply = yield COMPLETION.model_copy(update={"prompt": first.body})
        return second.body


SPEC = spec_of(Parted(), ends_with=(CampaignResumed,))
Completer = Callable[[Envelope, Completion], Coroutine[Any, Any, Record]]


async def repeat_prompt(envelope: Envelope, question: Completion) -> Record:
    """Answer with the prompt and a letter; a later part answers sooner."""
    del envelope
    for _ in range(10 * (PARTS - int(question.prompt[0]))):
        await asyncio.sleep(0)
    return CompletionReply(body=question.prompt + "x")


def actor_of(transport: MemoryTransport, complete: Completer) -> Actor:
    """Return an actor of the role with parts."""
    return Actor(Bus(transport, "echo"), SPEC, answerers={Completion: complete})


async def log_of(transport: MemoryTransport) -> list[Envelope]:
    """Return the events in the log."""
    return [subjects.decode_event(stored) for stored in await messages_of(transport)]


async def test_parts_are_answered_at_the_same_time() -> None:
    """No part gets an answer before all have asked, which parts in order never would."""
    transport, barrier = MemoryTransport(), asyncio.Barrier(PARTS)

    async def complete(envelope: Envelope, question: Completion) -> Record:
        await barrier.wait()
        return await repeat_prompt(envelope, question)

    await publish_pause(transport)
    await run_until(actor_of(transport, complete), lambda: has_messages(transport, PARTS + 2))
    assert (await log_of(transport))[-1].event == CampaignResumed(by="parted", why="0xx 1xx 2xx 3xx 4xx 5xx")


async def test_a_trace_has_the_parts_in_order_and_replays() -> None:
    """Whichever part ends first, the trace is that of parts one after another, so a replay finds no difference."""
    transport = MemoryTransport()
    await publish_pause(transport)
    await run_until(actor_of(transport, repeat_prompt), lambda: has_messages(transport, PARTS + 2))
    (trace,) = await messages_of(transport, subjects.TRACES)
    prompts = [answer["asked"]["prompt"] for answer in json.loads(trace.payload)["answers"]]
    assert prompts == [text for number in range(PARTS) for text in (str(number), f"{number}x")]
    history, traces = await log_of(transport), read_traces([trace.payload])
    assert [difference for _, difference in replay_role(SPEC, history, traces)] == [None]


async def test_a_post_of_a_part_waits_for_no_other_part() -> None:
    """What one part has paid for is in the log while another is still asking."""
    transport, release = MemoryTransport(), asyncio.Event()

    async def complete(envelope: Envelope, question: Completion) -> Record:
        if question.prompt != "3":
            await release.wait()
        return await repeat_prompt(envelope, question)

    await publish_pause(transport)
    async with running(actor_of(transport, complete)):
        await wait_for(lambda: has_messages(transport, 2))
        assert (await log_of(transport))[-1].event == answered("3")
        release.set()
        await wait_for(lambda: has_messages(transport, PARTS + 2))


async def test_the_failure_of_a_part_is_the_decisions_own() -> None:
    """The other parts are stopped, and the error is raised as without parts."""
    transport, asked, stopped = MemoryTransport(), set[str](), set[str]()

    async def complete(_: Envelope, question: Completion) -> Record:
        asked.add(question.prompt)
        if question.prompt == "2":
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        finally:
            stopped.add(question.prompt)
        return CompletionReply()

    await publish_pause(transport)
    (pause,), bus, role = await log_of(transport), Bus(transport, "echo"), Parted()
    driver = DecisionDriver(bus, role, {Completion: complete}, pause, EarlierDecision(bus, SPEC, role, pause))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(driver.drive(), 10)
    assert stopped == asked - {"2"} >= {"0", "1"}


async def test_parts_of_a_complete_decision_ask_nobody_again() -> None:
    """If the log has the end of the decision, no part of it asks the model."""
    transport, asked = MemoryTransport(), list[str]()

    async def complete(envelope: Envelope, question: Completion) -> Record:
        asked.append(question.prompt)
        return await repeat_prompt(envelope, question)

    await publish_pause(transport)
    await run_until(actor_of(transport, complete), lambda: has_messages(transport, PARTS + 2))
    delivery = await transport.pull(Durable("again", subjects.LOG, ("lab.events.c.*.CampaignPaused",)), 1.0)
    assert delivery
    await actor_of(transport, complete).handle(delivery)
    assert len(asked) == 2 * PARTS
