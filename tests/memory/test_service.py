"""Memory as a process: it follows the log, waits for positions, and answers queries."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks.campaign_log import random_idea
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.query_replies import QueryRefused
from bus.vocabulary.queries import (
    AskAncestry,
    AskCampaignStatus,
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    CampaignStatus,
    Query,
)
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode
from bus.wire.ids import CAMPAIGN
from memory import service
from memory.cognition import CognitionBase, load_entries
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder, Vectors32
from memory.retrieval.ideas import MotivationIndex
from memory.service import MemoryService
from memory.store import Store


class LateEmbedder(HashEmbedder):
    """An embedder whose model is not loaded yet."""

    def __init__(self) -> None:
        self.requests: list[tuple[Sequence[str], Future[Vectors32]]] = []
        self.loaded = False

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future that is done once the model is loaded."""
        if self.loaded:
            return super().submit(texts)
        self.requests.append((texts, Future()))
        return self.requests[-1][1]

    def load(self) -> None:
        """Load the model and answer all requests."""
        self.loaded = True
        for texts, future in self.requests:
            future.set_result(self.encode(texts))


class BrokenEmbedder(HashEmbedder):
    """An embedder without a model."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future that has failed."""
        future: Future[Vectors32] = Future()
        future.set_exception(ValueError("no embeddings: reinstall"))
        return future


async def publish(transport: MemoryTransport, log: Sequence[Envelope]) -> None:
    """Publish events."""
    for envelope in log:
        await transport.publish(subjects.event_subject(envelope), encode(envelope), envelope.id)


@contextlib.asynccontextmanager
async def running(transport: MemoryTransport, store: Store, embedder: HashEmbedder) -> AsyncIterator[Bus]:
    """Run memory during the test; yields the bus of a role that asks it."""
    task = asyncio.create_task(MemoryService(Bus(transport, "memory"), store, embedder).run())
    try:
        yield Bus(transport, "analyst")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def by_motivation(log: Sequence[Envelope]) -> list[Envelope]:
    """Return the log of the same campaign if it compares motivations alone."""
    start, *others = log
    return [replace(start, event=start.event.model_copy(update={"novelty": "motivation"})), *others]


def stored_embeddings(store: Store, log: Sequence[Envelope]) -> int:
    """Count the motivations that memory has embedded."""
    store.commit()
    return sum(1 for _ in store.embeddings(log[0].campaign, None))


def queries(log: Sequence[Envelope], at: int) -> list[Query]:
    """Return queries of each kind."""
    name = next(envelope.experiment for envelope in log if envelope.type == "AnalysisReady")
    return [
        AskCampaignStatus(at=at),
        AskExperiments(at=at),
        AskExperiments(at=at, ids=(name,)),
        AskPeers(at=at, experiment=name),
        AskAncestry(at=at, parent=name, reader="researcher"),
        AskNeighbours(at=at, text="decay gate"),
        AskNeighbours(at=at, design=random_idea(0, Random(0))[2]),
        AskCognition(at=at, text="decay", min_similarity=0.0),
    ]


async def test_every_query_is_answered_over_the_bus(store: Store, tmp_path: Path, log: list[Envelope]) -> None:
    """The replies are those of another store that read the same log."""
    transport = MemoryTransport()
    await publish(transport, log)
    with Store(tmp_path / "own.duckdb") as own:
        own.apply(log)
        library = CognitionBase(load_entries(), HashEmbedder())
        knowledge = Knowledge(own, MotivationIndex(own, HashEmbedder()), library)
        async with running(transport, store, HashEmbedder()) as bus:
            for query in queries(log, len(log)):
                assert await bus.ask(query) == answer(knowledge, query)


async def test_a_query_waits_for_its_position(store: Store, log: list[Envelope]) -> None:
    """Memory answers once it has read the event."""
    transport = MemoryTransport()
    await publish(transport, log[:10])
    async with running(transport, store, HashEmbedder()) as bus:
        request = asyncio.create_task(bus.ask(AskCampaignStatus(at=20)))
        await bus.ask(AskCampaignStatus(at=10))
        assert not request.done()
        await publish(transport, log[10:25])
        reply = await request
        assert isinstance(reply, CampaignStatus)
        assert reply.last_seq == 20


async def test_concurrent_queries_are_answered_independently(store: Store, log: list[Envelope]) -> None:
    """If one has no answer, the others get theirs."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        requests: list[Query] = [AskCampaignStatus(at=at) for at in range(1, 30)]
        requests.insert(7, AskPeers(at=3, experiment="nobody"))
        replies = await asyncio.gather(*map(bus.ask, requests), return_exceptions=True)
    assert isinstance(replies.pop(7), QueryRefused)
    assert [reply.last_seq for reply in replies] == list(range(1, 30))  # type: ignore[union-attr]


async def test_a_position_that_is_never_reached_is_an_error(
    store: Store, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asker gets one line and may ask again."""
    monkeypatch.setattr(service, "MAX_QUERY_WAIT_S", 0.02)
    transport = MemoryTransport()
    await publish(transport, log[:3])
    async with running(transport, store, HashEmbedder()) as bus:
        with pytest.raises(QueryRefused, match=r"^memory waited 0\.02 s for position 99$"):
            await bus.ask(AskCampaignStatus(at=99), patience=0.1)


async def test_the_latest_position_is_that_of_the_log(store: Store, log: list[Envelope]) -> None:
    """Right after a start, `at=0` means the end of the log, not what memory has read so far."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        reply = await bus.ask(AskCampaignStatus())
        assert isinstance(reply, CampaignStatus)
        assert reply.last_seq == len(log)


async def test_a_message_that_is_no_event_becomes_a_dead_letter(store: Store, log: list[Envelope]) -> None:
    """With its reason; the rest of the log is applied."""
    transport = MemoryTransport()
    await publish(transport, log[:5])
    await transport.publish("lab.events.x.campaign.CampaignStarted", b"{broken", "broken")
    await publish(transport, log[5:8])
    async with running(transport, store, HashEmbedder()) as bus:
        await bus.ask(AskCampaignStatus(at=9))
        assert await transport.last_seq(subjects.DEAD) == 1


async def test_only_answers_with_embeddings_wait_for_the_model(store: Store, log: list[Envelope]) -> None:
    """Memory answers everything else at once: an untrained experiment's peers, and the neighbours of a design."""
    transport, embedder = MemoryTransport(), LateEmbedder()
    trained = next(envelope.seq for envelope in log if envelope.type == "RunCompleted")
    await publish(transport, by_motivation(log))
    name = log[trained - 1].experiment
    async with running(transport, store, embedder) as bus:
        await bus.ask(AskCampaignStatus(at=trained))
        await bus.ask(AskPeers(at=trained - 1, experiment=name))
        await bus.ask(AskNeighbours(at=trained, design=random_idea(0, Random(0))[2]))
        waiting: list[Query] = [AskNeighbours(at=trained, text="decay"), AskPeers(at=trained, experiment=name)]
        requests = [asyncio.create_task(bus.ask(query)) for query in waiting]
        await bus.ask(AskExperiments(at=trained))
        assert not any(request.done() for request in requests)
        embedder.load()
        await asyncio.gather(*requests)


async def test_motivations_are_embedded_once_they_are_compared(store: Store, log: list[Envelope]) -> None:
    """None in a campaign that compares designs; after the first query about a text all of them, also by a restart."""
    before, transport = MemoryTransport(), MemoryTransport()
    trained = {envelope.experiment for envelope in log[:100] if envelope.type == "RunCompleted"}
    proposals = sum(envelope.type == "ProposalCreated" for envelope in log)
    await publish(before, log[:100])
    async with running(before, store, HashEmbedder()) as bus:
        await bus.ask(AskExperiments(at=100, ids=tuple(trained)))
        await bus.ask(AskNeighbours(at=100, design=random_idea(0, Random(0))[2]))
        assert stored_embeddings(store, log) == 0
        await bus.ask(AskNeighbours(at=100, text="decay"))
    store.close()
    await publish(transport, log)
    with Store(store.path) as again:
        assert 0 < stored_embeddings(again, log) < proposals
        async with running(transport, again, HashEmbedder()), asyncio.timeout(5):
            while stored_embeddings(again, log) < proposals:
                await asyncio.sleep(0.01)


async def test_without_a_model_other_queries_are_answered(store: Store, log: list[Envelope]) -> None:
    """A query that needs embeddings is refused with the reason."""
    transport = MemoryTransport()
    await publish(transport, by_motivation(log))
    async with running(transport, store, BrokenEmbedder()) as bus:
        with pytest.raises(QueryRefused, match="no embeddings: reinstall"):
            await bus.ask(AskNeighbours(at=5, text="decay"))
        with pytest.raises(QueryRefused, match="no embeddings: reinstall"):
            await bus.ask(
                AskPeers(experiment=next(envelope.experiment for envelope in log if envelope.type == "RunCompleted"))
            )
        await bus.ask(AskCampaignStatus(at=5))


async def test_a_restart_continues_at_the_position_reached(store: Store, log: list[Envelope]) -> None:
    """Memory writes new rows when it ends, and reads their events no second time."""
    before, transport = MemoryTransport(), MemoryTransport()
    await publish(before, log[:100])
    async with running(before, store, HashEmbedder()) as bus:
        await bus.ask(AskCampaignStatus(at=100))
    store.close()
    await publish(transport, log)
    with Store(store.path) as again:
        assert again.position == 100
        async with running(transport, again, HashEmbedder()) as bus:
            await bus.ask(AskCampaignStatus(at=len(log)))
        rebuilt = again.digest()
    with Store(store.path.with_name("whole.duckdb")) as whole:
        whole.apply(log)
        assert rebuilt == whole.digest()


async def test_a_full_disk_ends_memory_in_one_line(
    store: Store, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the write ends the service."""
    transport = MemoryTransport()
    await publish(transport, log[:5])

    def full() -> None:
        raise ValueError("cannot write memory.duckdb: no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(store, "commit", full)
        with pytest.raises(ValueError, match="no space left"):
            await MemoryService(Bus(transport, "memory"), store, HashEmbedder()).run()


async def test_many_queries_are_answered_at_once(store: Store, log: list[Envelope]) -> None:
    """A hundred queries in flight all get the answer of their own position."""
    transport = MemoryTransport()
    await publish(transport, log)
    async with running(transport, store, HashEmbedder()) as bus:
        replies = await asyncio.gather(*(bus.ask(AskCampaignStatus(at=at)) for at in range(1, 101)))
    assert [reply.last_seq for reply in replies if isinstance(reply, CampaignStatus)] == list(range(1, 101))
    assert CAMPAIGN not in store.read_model.campaign(log[0].campaign).experiments
