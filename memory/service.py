"""Memory as a process: it follows the log, applies its events, and answers queries.

Five kinds of work share one event loop:
- follow: apply batches of the log to the read model as they come;
- commit: write the new rows to the file, once a second;
- compare: after each lost connection, check that the log has what memory has read (`memory.recovery`);
- embed: embed the cognition base, then the motivations of campaigns that compare them;
- answer: wait until the query's position has been read and what it compares is embedded, then answer.

A damaged file, and a log that lost messages, end the service: `memory.recovery` starts it again with a new file.

Follow and embed announce their progress on the condition `_news`, on which embed and answer wait.

The store is used and all answers are computed in the event loop's thread, so they need no locks. A thread for answers
would not pay: to hand one over and back costs more than most answers. Only the sentence model and the models behind
forecasts have threads of their own, since a fit takes longer than thousands of answers.
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
from memory.faults import MemoryFault
from memory.gc_tuning import collect_and_freeze
from memory.queries import Knowledge, QueryHandler, handler_for
from memory.recovery import LogComparison
from memory.retrieval.embedding import Embedder, Vectors32
from memory.retrieval.ideas import MotivationIndex
from memory.state.campaign_state import CampaignState
from memory.store import Store

MAX_QUERY_WAIT_S = 2.0
"""How long a query waits for its position or for embeddings; then the asker has to ask again. An asker waits longer for
each answer (`bus.delivery.bus.REQUEST_TIMEOUTS_S`), so it never asks while its earlier request still waits here."""
COMMIT_INTERVAL_S = 1.0
"""Seconds between transactions, so that a busy log is written in few large ones. A crash loses nothing: rows that are
not written yet are made from the log again."""
COMPARE_INTERVAL_S = 1.0
"""Seconds between two checks for a lost connection, after which the log may lack what memory has read."""
MAX_PENDING_ROWS = 5000
"""With more rows than this, a transaction does not wait for the interval."""
MOTIVATIONS_PER_BATCH = 32
"""Motivations embedded at once, before other work has its turn."""

log = structlog.get_logger("memory")


class MemoryService:
    """The memory role."""

    def __init__(self, bus: Bus, store: Store, embedder: Embedder) -> None:
        """Answer on `bus` from `store`, and from the cognition base that comes with the project."""
        self._bus = bus
        self._store = store
        self._embedder = embedder
        self._cognition = CognitionBase(load_entries(), embedder)
        self._motivations = MotivationIndex(store, embedder)
        self._knowledge = Knowledge(store, self._motivations, self._cognition)
        self._comparison = LogComparison(bus, store)
        self._news = asyncio.Condition()
        """Notified after every change of the position, of the embeddings and of `_model_fault`."""
        self._model_fault = ""
        """Why nothing can be embedded; empty while it can."""
        self._news_request = asyncio.Event()
        """Set when a query waits for a position: then the bus delivers new messages at once."""
        self._fault: asyncio.Future[MemoryFault] = asyncio.Future()
        """What an answer found wrong with the file."""
        self._comparing: set[str] = set()
        """Ids of the campaigns in which a query compared motivations: new ones are embedded before they are needed."""

    async def run(self) -> None:
        """Serve until cancelled; the newest rows may not be written then.

        Raises DatabaseDamaged if the file can't be read or is not of this log, MemoryFault if it can't be written.
        """
        collect_and_freeze()
        for kind in QUERIES.values():
            await self._bus.serve_query(kind, self.answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._follow, self._commit_regularly, self._compare_regularly, self._embed, self._fail):
                    tasks.create_task(work())
        except* ValueError as errors:
            raise errors.exceptions[0] from None

    async def answer(self, query: Query) -> Record:
        """Return the reply to a query, once its position has been read; position 0 means the newest.

        Raises AnswerPending if that takes too long, the server is away or the file is damaged; ValueError if the query
        has no answer.
        """
        try:
            return await self._answer(query)
        except NoAnswer as error:
            raise AnswerPending(str(error)) from None
        except MemoryFault as fault:
            if not self._fault.done():
                self._fault.set_result(fault)
            raise AnswerPending(str(fault)) from None

    async def _answer(self, query: Query) -> Record:
        await self._comparison.require_same_log()
        if not query.at:
            query = query.model_copy(update={"at": await self._bus.newest_position(MAX_QUERY_WAIT_S)})
        if self._store.position < query.at:
            self._news_request.set()
            reason = f"memory waited {MAX_QUERY_WAIT_S:g} s for position {query.at}"
            await self._wait_until(lambda: self._store.position >= query.at, reason)
        handler = handler_for(self._knowledge, query)
        await self._embed_for(handler)
        if fitting := handler.fitting():
            await asyncio.wrap_future(fitting)
        return handler.answer()

    async def _embed_for(self, handler: QueryHandler[Query]) -> None:
        """Wait until everything that a handler compares is embedded. Raises AnswerPending, ValueError."""
        if texts := handler.texts():
            await _result(self._embedder.submit(texts))
        if handler.reads_cognition:
            await self._wait_for_embeddings(lambda: self._cognition.ready, "the cognition base is not embedded yet")
        if count := handler.motivation_count():
            self._comparing.add(handler.campaign.id)
            embedded = partial(self._motivations.embedded_count, handler.campaign)
            await self._notify()
            await self._wait_for_embeddings(lambda: embedded() >= count, "motivations are not embedded yet")

    async def _wait_for_embeddings(self, ready: Callable[[], bool], reason: str) -> None:
        """Wait for embeddings. Raises AnswerPending if that takes too long, ValueError at once if there is no model."""
        await self._wait_until(lambda: self._model_fault or ready(), reason)
        if self._model_fault and not ready():
            raise ValueError(self._model_fault)

    async def _wait_until(self, condition: Callable[[], object], reason: str) -> None:
        """Wait until a condition holds, and check it at all news. Raises AnswerPending if that takes too long."""
        if condition():
            return
        try:
            async with asyncio.timeout(MAX_QUERY_WAIT_S), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AnswerPending(reason) from None

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _follow(self) -> None:
        """Apply the log as it comes, without an end."""
        log.info("following", after=self._store.position)
        async for batch in self._bus.follow(after=self._store.position, news_request=self._news_request):
            await self._compare()
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
        for envelope, reason in self._store.apply(envelopes, batch[-1]):
            await self._bus.publish_dead_letter(by_seq[envelope.seq], reason)
        if self._store.pending_rows > MAX_PENDING_ROWS:
            self._store.commit()
        await self._notify()

    async def _commit_regularly(self) -> None:
        """Write the new rows at intervals, and exclude them from garbage collection."""
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            rows = self._store.pending_rows
            self._store.commit()
            if rows:
                collect_and_freeze()

    async def _compare_regularly(self) -> None:
        """Compare at intervals, since a log that lost messages may bring none. Raises DatabaseDamaged."""
        while True:
            await self._compare()
            await asyncio.sleep(COMPARE_INTERVAL_S)

    async def _compare(self) -> None:
        """Compare what memory has read with the log, once the server answers. Raises DatabaseDamaged."""
        while True:
            try:
                return await self._comparison.require_same_log()
            except NoAnswer as error:
                log.warning("can't compare the log", reason=str(error))
                await asyncio.sleep(COMPARE_INTERVAL_S)

    async def _fail(self) -> None:
        """End the service once an answer has found the file damaged. Raises MemoryFault."""
        raise await self._fault

    async def _embed(self) -> None:
        """Embed the cognition base, then motivations without an end, each campaign's in the order of the log."""
        try:
            if not self._cognition.ready:
                self._cognition.add_vectors(await _result(self._embedder.submit(self._cognition.texts)))
            while True:
                await self._notify()
                async with self._news:
                    campaign = await self._news.wait_for(self._unembedded_campaign)
                assert campaign is not None
                await self._embed_motivations(campaign)
                await asyncio.sleep(0)  # cached vectors come without a wait, so other tasks get their turn here
        except MemoryFault:
            raise
        except ValueError as error:
            log.error("no_embeddings", error=str(error))
            self._model_fault = str(error)
            await self._notify()

    def _unembedded_campaign(self) -> CampaignState | None:
        """Return a campaign that compares motivations and has some that are not embedded yet."""
        for campaign in self._store.read_model.campaigns.values():
            comparing = campaign.id in self._comparing or self._motivations.embedded_count(campaign)
            if comparing and self._motivations.missing(campaign, limit=1):
                return campaign
        return None

    async def _embed_motivations(self, campaign: CampaignState) -> None:
        """Embed the next motivations of a campaign."""
        proposals = self._motivations.missing(campaign, MOTIVATIONS_PER_BATCH)
        vectors = await _result(self._embedder.submit([proposal.motivation for proposal in proposals]))
        self._motivations.add(campaign, proposals, vectors)


async def _result(future: Future[Vectors32]) -> Vectors32:
    """Return an embedder's vectors, without a wait if they are ready."""
    return future.result() if future.done() else await asyncio.wrap_future(future)
