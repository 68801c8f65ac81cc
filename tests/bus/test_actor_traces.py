"""Traces of decisions: the answers that they record, and which events wait for them."""

import asyncio
import json

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.transport import Receipt
from bus.vocabulary.events import Record
from bus.vocabulary.queries import AskCampaignStatus
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope
from tests.support.echo_role import (
    COMPLETION,
    ECHO,
    Questioner,
    has_messages,
    messages_of,
    publish_pause,
    run_until,
    running,
    serve_status,
    wait_for,
)


class SlowTraces(MemoryTransport):
    """A server that stores traces only after `traces_allowed` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.traces_allowed = asyncio.Event()

    async def publish(self, subject: str, payload: bytes, message_id: str, expected_last: int | None = None) -> Receipt:
        """Delay traces."""
        if subject.startswith("lab.traces."):
            await self.traces_allowed.wait()
        return await super().publish(subject, payload, message_id, expected_last)


async def test_a_trace_records_the_answers_under_the_cause() -> None:
    """A replay finds the answers that a decision had; the trace omits default values."""
    transport = MemoryTransport()
    await serve_status(transport)
    await publish_pause(transport)
    await run_until(Actor(Bus(transport, "echo"), ECHO), lambda: has_messages(transport, 3))
    (trace,) = await messages_of(transport, subjects.TRACES)
    body = json.loads(trace.payload)
    assert trace.subject.endswith(body["cause"])
    assert body["answers"][0]["reply"] == {"settled": 4}


async def test_events_do_not_wait_for_the_trace_of_memorys_answers() -> None:
    """Memory would give the same answer again, so the decision does not wait for the acknowledgement of its trace."""
    transport = SlowTraces()
    await serve_status(transport)
    await publish_pause(transport)
    role = Questioner(lambda envelope: AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq))
    await run_until(Actor(Bus(transport, "echo"), ECHO, role), lambda: has_messages(transport, 2))
    assert not await messages_of(transport, subjects.TRACES)


async def test_events_wait_for_the_trace_of_a_models_answer() -> None:
    """The model would give another answer, so without the trace nobody could replay the events."""
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
        await wait_for(lambda: has_messages(transport, 2))
    assert len(await messages_of(transport, subjects.TRACES)) == 1
