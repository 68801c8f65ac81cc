"""Memory as a process: it follows the log, applies its events, and answers queries.

Three tasks run at the same time and meet in one condition, `_news`:
- follow: apply batches of the log as they come, and write them to the file a moment later;
- embed: embed motivations in the background, in campaigns where they are compared;
- answer: wait until the query's position has been read (and its embeddings are there), then answer.

The store and all answers belong to the event loop's own thread, so nothing in them is locked. Only the sentence model
has its own thread: to hand an answer to another thread and back costs more than most answers.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import structlog

from bus.delivery.bus import Bus
from bus.delivery.query_replies import AnswerPending
from bus.delivery.transport import NoAnswer
from bus.vocabulary.events import Record
from bus.vocabulary.queries import QUERIES, Query
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import decode_event
from memory.cognition import CognitionBase, load_entries
from memory.gc_tuning import collect_and_freeze
from memory.queries import Knowledge, QueryHandler, handler_for
from memory.retrieval.embedding import Embedder, Vectors32
from memory.retrieval.ideas import MotivationIndex
from memory.state.campaign_state import CampaignState
from memory.store import Store

ANSWER_PATIENCE_S = 2.0
"""Seconds that a query waits for its position, or for embeddings, before the asker has to ask again. It is shorter than
the asker waits for an answer (`bus.delivery.bus.REQUEST_TIMEOUTS_S`), so that no query is asked twice at once."""
COMMIT_INTERVAL_S = 1.0
"""Seconds between transactions: a busy log is written in few large ones. Whatever is not written yet is in the log."""
COMMIT_ROWS = 5000
"""Rows after which a transaction is not put off."""
MOTIVATIONS_PER_BATCH = 32
"""Motivations embedded in one go, before other work has its turn."""

log = structlog.get_logger("memory")


class MemoryService:
    """The memory role."""

    def __init__(self, bus: Bus, store: Store, embedder: Embedder, library: CognitionBase | None = None) -> None:
        """Answer on `bus` from `store`; the library defaults to the entries that come with the project."""
        self._bus = bus
        self._store = store
        self._embedder = embedder
        self._library = library or CognitionBase(load_entries(), embedder)
        self._motivations = MotivationIndex(store, embedder)
        self._knowledge = Knowledge(store, self._motivations, self._library)
        self._news = asyncio.Condition()
        self._model_fault = ""
        """Why nothing can be embedded; empty while it can."""
        self._news_request = asyncio.Event()
        """Set when a query waits for a position; so nobody needs to notify memory of every message."""
        self._compared: set[str] = set()
        """Campaigns whose motivations were compared: theirs are embedded ahead of the next query."""

    async def run(self) -> None:
        """Follow, embed and answer until cancelled, then write the new rows. Raises ValueError if that fails."""
        collect_and_freeze()
        for kind in QUERIES.values():
            await self._bus.serve_query(kind, self.answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._follow, self._commit_regularly, self._embed):
                    tasks.create_task(work())
        except* ValueError as errors:
            raise ValueError(str(errors.exceptions[0])) from None
        finally:
            self._store.commit()

    async def answer(self, query: Query) -> Record:
        """Return the reply to a query, once its position has been read. Raises ValueError or AnswerPending."""
        if not query.at:
            query = query.model_copy(update={"at": await self._newest_position()})
        if self._store.position < query.at:
            self._news_request.set()
            reason = f"memory waited {ANSWER_PATIENCE_S:g} s for position {query.at}"
            await self._wait_until(lambda: self._store.position >= query.at, reason)
        handler = handler_for(self._knowledge, query)
        await self._embed_for(handler)
        return handler.answer()

    async def _newest_position(self) -> int:
        """Return the log's newest position. Raises AnswerPending if the server does not answer in time."""
        try:
            return await self._bus.newest_position(ANSWER_PATIENCE_S)
        except NoAnswer as error:
            raise AnswerPending(str(error)) from None

    async def _embed_for(self, handler: QueryHandler[Query]) -> None:
        """Wait until everything that an answer compares is embedded."""
        if texts := handler.texts():
            await _result(self._embedder.submit(texts))
        if handler.reads_cognition:
            await self._wait_for_embeddings(lambda: self._library.ready, "the cognition base is not embedded yet")
        if count := handler.motivation_count():
            self._compared.add(handler.campaign.id)
            embedded = partial(self._motivations.embedded_count, handler.campaign)
            await self._notify()
            await self._wait_for_embeddings(lambda: embedded() >= count, "motivations are not embedded yet")

    async def _wait_for_embeddings(self, ready: Callable[[], bool], reason: str) -> None:
        """Wait for embeddings. Raises AnswerPending after a while, ValueError at once if there is no model."""
        await self._wait_until(lambda: self._model_fault or ready(), reason)
        if self._model_fault and not ready():
            raise ValueError(self._model_fault)

    async def _wait_until(self, condition: Callable[[], object], reason: str) -> None:
        """Wait for news until a condition is met. Raises AnswerPending with the reason if that takes too long."""
        if condition():
            return
        try:
            async with asyncio.timeout(ANSWER_PATIENCE_S), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AnswerPending(reason) from None

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _follow(self) -> None:
        """Apply the log as it comes."""
        log.info("following", after=self._store.position)
        async for batch in self._bus.follow(after=self._store.position, news_request=self._news_request):
            await self._apply(batch)

    async def _apply(self, batch: Sequence[StoredMessage]) -> None:
        """Apply a batch; a message that is no event, or can't be stored, becomes a dead letter."""
        envelopes: list[Envelope] = []
        for stored in batch:
            try:
                envelopes.append(decode_event(stored))
            except MalformedMessage as error:
                await self._bus.publish_dead_letter(stored, str(error))
        by_seq = {stored.seq: stored for stored in batch}
        for envelope, reason in self._store.apply(envelopes, batch[-1].seq):
            await self._bus.publish_dead_letter(by_seq[envelope.seq], reason)
        if self._store.pending_rows > COMMIT_ROWS:
            self._store.commit()
        await self._notify()

    async def _commit_regularly(self) -> None:
        """Write new rows, many at once."""
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            rows = self._store.pending_rows
            self._store.commit()
            if rows:
                collect_and_freeze()

    async def _embed(self) -> None:
        """Embed the library, then the motivations of campaigns that compare them, in the order of the log."""
        try:
            if not self._library.ready:
                self._library.add_vectors(await _result(self._embedder.submit(self._library.texts)))
            while True:
                await self._notify()
                async with self._news:
                    campaign = await self._news.wait_for(self._unembedded_campaign)
                assert campaign is not None
                await self._embed_motivations(campaign)
                await asyncio.sleep(0)  # cached vectors come without a wait, so other tasks get their turn here
        except ValueError as error:
            log.error("no_embeddings", error=str(error))
            self._model_fault = str(error)
            await self._notify()

    def _unembedded_campaign(self) -> CampaignState | None:
        """Return a campaign that compares motivations and has some that are not embedded yet."""
        campaigns = tuple(self._store.read_model.campaigns.values())
        compared = (each for each in campaigns if each.id in self._compared or self._motivations.embedded_count(each))
        return next((campaign for campaign in compared if self._motivations.missing(campaign, 1)), None)

    async def _embed_motivations(self, campaign: CampaignState) -> None:
        """Embed the next motivations of a campaign."""
        proposals = self._motivations.missing(campaign, MOTIVATIONS_PER_BATCH)
        vectors = await _result(self._embedder.submit([proposal.motivation for proposal in proposals]))
        self._motivations.add(campaign, proposals, vectors)


async def _result(future: Future[Vectors32]) -> Vectors32:
    """Return an embedder's vectors, without a wait if they are ready."""
    return future.result() if future.done() else await asyncio.wrap_future(future)
