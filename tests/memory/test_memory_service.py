"""Memory as a process: it follows the bus, waits for positions, and answers who asks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from bus.delivery.bus import Bus
from bus.delivery.query_replies import QueryRefused
from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.queries import (
    AskAncestry,
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskStanding,
    CampaignStatus,
    Query,
)
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode
from bus.wire.ids import CAMPAIGN
from memory import service
from memory.answers import answer
from memory.cognition import CognitionBase, load_entries
from memory.retrieval.embedding import HashEmbedder, Vectors32
from memory.retrieval.ideas import MotivationIndex
from memory.service import MemoryService
from memory.store import Store


class LateEmbedder(HashEmbedder):
    """An embedder whose model is not loaded yet."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Sequence[str], Future[Vectors32]]] = []
        self.loaded = False

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Put off the answer until loaded."""
        if self.loaded:
            return super().submit(texts)
        self.waiting.append((texts, Future()))
        return self.waiting[-1][1]

    def load(self) -> None:
        """Answer all that wait."""
        self.loaded = True
        for texts, future in self.waiting:
            future.set_result(self.encode(texts))


class BrokenEmbedder(HashEmbedder):
    """An embedder that has no model."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Fail."""
        future: Future[Vectors32] = Future()
        future.set_exception(ValueError("no embeddings: reinstall"))
        return future


async def publish(transport: MemoryTransport, log: Sequence[Envelope]) -> None:
    """Put events on the log."""
    for said in log:
        await transport.publish(subjects.event_subject(said), encode(said), said.id)


@contextlib.asynccontextmanager
async def running(transport: MemoryTransport, store: Store, embedder: HashEmbedder) -> AsyncIterator[Bus]:
    """Run memory beside the test; yields the asker's bus."""
    task = asyncio.create_task(MemoryService(Bus(transport, "memory"), store, embedder).run())
    try:
        yield Bus(transport, "analyst")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def questions(log: Sequence[Envelope], at: int) -> list[Query]:
    """Return one question of each kind."""
    name = next(said.experiment for said in log if said.type == "AnalysisReady")
    return [
        AskStanding(at=at),
        AskExperiments(at=at),
        AskExperiments(at=at, ids=(name,)),
        AskPeers(at=at, experiment=name),
        AskAncestry(at=at, parent=name, prose=True),
        AskNeighbours(at=at, text="decay gate"),
        AskCognition(at=at, text="decay", min_similarity=0.0),
    ]


async def test_every_query_is_answered_over_the_bus(store: Store, tmp_path: Path, log: list[Envelope]) -> None:
    """The replies are those of a store that read the same log by itself."""
    transport = MemoryTransport()
    await publish(transport, log)
    with Store(tmp_path / "own.duckdb") as own:
        own.apply(log)
        ideas, library = MotivationIndex(own, HashEmbedder()), CognitionBase(load_entries(), HashEmbedder())
        async with running(transport, store, HashEmbedder()) as bus:
            for question in questions(log, len(log)):
                assert await bus.ask(question) == answer(own, ideas, library, question)


async def test_a_question_waits_for_its_position(store: Store, log: list[Envelope]) -> None:
    """Asked about an event that is not read yet, memory answers once it is."""
    transport = MemoryTransport()
    await publish(transport, log[:10])
    async with running(transport, store, HashEmbedder()) as bus:
        asked = asyncio.create_task(bus.ask(AskStanding(at=20)))
        await bus.ask(AskStanding(at=10))
        assert not asked.done()
        await publish(transport, log[10:25])
        reply = await asked
        assert isinstance(reply, CampaignStatus)
        assert reply.last_seq == 20


async def test_questions_that_come_together_are_answered_each_for_itself(store: Store, log: list[Envelope]) -> None:
    """One that has no answer leaves the others theirs."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        asked = [AskStanding(at=at) for at in range(1, 30)]
        asked.insert(7, AskPeers(at=3, experiment="nobody"))
        replies = await asyncio.gather(*map(bus.ask, asked), return_exceptions=True)
    assert isinstance(replies.pop(7), QueryRefused)
    assert [reply.last_seq for reply in replies] == list(range(1, 30))  # type: ignore[union-attr]


async def test_a_position_that_does_not_come_is_an_error(
    store: Store, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asker is told in one line and may ask again."""
    monkeypatch.setattr(service, "ANSWER_PATIENCE_S", 0.02)
    transport = MemoryTransport()
    await publish(transport, log[:3])
    async with running(transport, store, HashEmbedder()) as bus:
        with pytest.raises(QueryRefused, match=r"^memory waited 0\.02 s for position 99$"):
            await bus.ask(AskStanding(at=99), patience=0.1)


async def test_the_latest_is_not_older_than_the_process(store: Store, log: list[Envelope]) -> None:
    """Right after a start, `at=0` describes all that the log held, not what happens to be read."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        reply = await bus.ask(AskStanding())
        assert isinstance(reply, CampaignStatus)
        assert reply.last_seq == len(log)


async def test_what_is_no_event_is_buried(store: Store, log: list[Envelope]) -> None:
    """Broken bytes in the log go to the dead letters with their reason; the rest is learned."""
    transport = MemoryTransport()
    await publish(transport, log[:5])
    await transport.publish("lab.events.x.campaign.CampaignStarted", b"{broken", "broken")
    await publish(transport, log[5:8])
    async with running(transport, store, HashEmbedder()) as bus:
        await bus.ask(AskStanding(at=9))
        assert await transport.last_seq(subjects.DEAD) == 1


async def test_only_meaning_waits_for_the_model(store: Store, log: list[Envelope]) -> None:
    """From the first second on memory answers all that needs no embedding, an untrained experiment's peers included."""
    transport, embedder = MemoryTransport(), LateEmbedder()
    trained = next(said.seq for said in log if said.type == "RunCompleted")
    await publish(transport, log)
    async with running(transport, store, embedder) as bus:
        await bus.ask(AskStanding(at=trained))
        await bus.ask(AskPeers(at=trained - 1, experiment=log[trained - 1].experiment))
        asked = asyncio.create_task(bus.ask(AskNeighbours(at=trained, text="decay")))
        await bus.ask(AskExperiments(at=trained))
        assert not asked.done()
        embedder.load()
        await asked


async def test_without_a_model_the_rest_is_answered(store: Store, log: list[Envelope]) -> None:
    """What needs meaning is refused with the reason; what does not is answered."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, BrokenEmbedder()) as bus:
        with pytest.raises(QueryRefused, match="no embeddings: reinstall"):
            await bus.ask(AskNeighbours(at=5, text="decay"))
        with pytest.raises(QueryRefused, match="no embeddings: reinstall"):
            await bus.ask(AskPeers(experiment=next(said.experiment for said in log if said.type == "RunCompleted")))
        await bus.ask(AskStanding(at=5))


async def test_a_restart_goes_on_where_it_stood(store: Store, log: list[Envelope]) -> None:
    """What was learned is written when memory ends, and read no second time."""
    before, transport = MemoryTransport(), MemoryTransport()
    await publish(before, log[:100])
    async with running(before, store, HashEmbedder()) as bus:
        await bus.ask(AskStanding(at=100))
    store.close()
    await publish(transport, log)
    with Store(store.path) as again:
        assert again.position == 100
        async with running(transport, again, HashEmbedder()) as bus:
            await bus.ask(AskStanding(at=len(log)))
        rebuilt = again.digest()
    with Store(store.path.with_name("whole.duckdb")) as whole:
        whole.apply(log)
        assert rebuilt == whole.digest()


async def test_a_full_disk_ends_memory_in_one_line(
    store: Store, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is raised as one error, for the process to end with."""
    transport = MemoryTransport()
    await publish(transport, log[:5])

    def full() -> None:
        raise ValueError("cannot write memory.duckdb: no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(store, "commit", full)
        with pytest.raises(ValueError, match="no space left"):
            await MemoryService(Bus(transport, "memory"), store, HashEmbedder()).run()


async def test_many_askers_are_answered_at_once(store: Store, log: list[Envelope]) -> None:
    """A hundred questions in flight all get the answer of their own position."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        replies = await asyncio.gather(*(bus.ask(AskStanding(at=at)) for at in range(1, 101)))
    assert [reply.last_seq for reply in replies if isinstance(reply, CampaignStatus)] == list(range(1, 101))
    assert CAMPAIGN not in store.read_model.campaign(log[0].campaign).experiments
