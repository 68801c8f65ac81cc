"""An echo role for tests of the actor loop, and functions that wait for its events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Record
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.vocabulary.questions import Completion, Question
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage
from tests.support.roles import spec_of

COMPLETION = Completion(instructions="i", prompt="p", schema_name="s")


class Echo:
    """After a pause, asks for the campaign's status and posts two resumptions; the second one repeats the status."""

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, post early, post at the end."""
        status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
        yield Post("e0001", CampaignResumed(by="first"))
        return [Post("e0001", CampaignResumed(by="second", why=str(status.settled)))]


class Questioner(Echo):
    """Asks a question and posts the type of the reply."""

    def __init__(self, question: Callable[[Envelope], Question]) -> None:
        self._question = question

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then post."""
        reply = yield self._question(envelope)
        return [Post("e0001", CampaignResumed(by="echo", why=type(reply).__name__))]


ECHO = spec_of(Echo())


async def serve_status(transport: MemoryTransport) -> None:
    """Answer AskCampaignStatus as memory would."""

    async def answer(_: AskCampaignStatus) -> Record:
        return CampaignStatus(settled=4)

    await Bus(transport, "memory").serve_query(AskCampaignStatus, answer)


async def publish_pause(transport: MemoryTransport, by: str = "ada") -> None:
    """Publish a pause as the director, with `by` as its ordinal."""
    await Bus(transport, "director").publish(Post("e0001", CampaignPaused(by=by)), "c", ordinal=by)


async def messages_of(transport: MemoryTransport, stream: str = subjects.LOG) -> list[StoredMessage]:
    """Return the messages of a stream."""
    if await transport.last_seq(stream):
        async for batch in transport.follow(stream, 0, max_batch=10_000):
            return list(batch)
    return []


async def has_messages(transport: MemoryTransport, count: int, stream: str = subjects.LOG) -> bool:
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
