"""Memory as a process: it follows the log, learns it, and answers whoever asks.

Three things go on beside each other and meet in one condition, `_news`:
- following: batches of the log are learned as they come, and written to the file a moment later;
- embedding: motivations are embedded in the order of the log, in the background;
- answering: a question waits until its position has been read (and its motivations embedded), then is answered.

The store and all answers belong to the event loop's own thread, so nothing in them is locked. Only the sentence model
has a thread to itself: to hand an answer to another one and to be woken by it costs more than most answers.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import structlog

from bus.delivery.bus import Bus
from bus.delivery.query_replies import AnswerPending
from bus.delivery.transport import NoAnswer
from bus.vocabulary.events import Record
from bus.vocabulary.queries import QUERIES, AskAncestry, AskCognition, Query
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import decode_event
from memory.answers import answer, motivations_compared, texts_compared
from memory.cognition import CognitionBase, load_entries
from memory.gc_tuning import collect_and_freeze
from memory.retrieval.embedding import Embedder, Vectors32
from memory.retrieval.ideas import MotivationIndex
from memory.state.campaign_state import CampaignState
from memory.store import Store

ANSWER_PATIENCE_S = 2.0
"""Seconds that a question waits for its position, or for embeddings, before it is told to come again: shorter than the
asker waits for an answer (`bus.REQUEST_SECONDS`), so that no question is asked twice at once."""
COMMIT_INTERVAL_S = 1.0
"""Seconds between transactions: a busy log is written in few large ones. What is not written yet is in the log."""
COMMIT_ROWS = 5000
"""Rows after which a transaction is not put off."""
MOTIVATIONS_PER_BATCH = 32
"""Motivations embedded between two looks at what else is asked."""

log = structlog.get_logger("memory")


class MemoryService:
    """The memory role."""

    def __init__(self, bus: Bus, store: Store, embedder: Embedder, library: CognitionBase | None = None) -> None:
        """Answer on `bus` from `store`; the library defaults to the entries that come with the project."""
        self._bus = bus
        self._store = store
        self._embedder = embedder
        self._library = library or CognitionBase(load_entries(), embedder)
        self._ideas = MotivationIndex(store, embedder)
        self._news = asyncio.Condition()
        self._model_fault = ""
        """Why nothing can be embedded; empty while it can."""
        self._wanted = asyncio.Event()
        """Set where a question waits for a position: so nobody needs to tell memory of every message."""

    async def run(self) -> None:
        """Follow, embed and answer until cancelled; what has been learned is then written."""
        collect_and_freeze()
        for kind in QUERIES.values():
            await self._bus.serve_query(kind, self.answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._follow, self._write, self._embed):
                    tasks.create_task(work())
        except* ValueError as errors:
            raise ValueError(str(errors.exceptions[0])) from None
        finally:
            self._store.commit()

    async def answer(self, query: Query) -> Record:
        """Answer a question once its position has been read. Raises ValueError with one line."""
        if not query.at:
            query = query.model_copy(update={"at": await self._newest()})
        if self._store.position < query.at:
            self._wanted.set()
            otherwise = f"memory waited {ANSWER_PATIENCE_S:g} s for position {query.at}"
            await self._until(lambda: self._store.position >= query.at, ANSWER_PATIENCE_S, otherwise)
        await self._understand(query)
        return answer(self._store, self._ideas, self._library, query)

    async def _newest(self) -> int:
        """Return how far the log reaches now. Raises NotYet where the server does not tell."""
        try:
            return await self._bus.newest_position(ANSWER_PATIENCE_S)
        except NoAnswer as error:
            raise AnswerPending(str(error)) from None

    async def _understand(self, query: Query) -> None:
        """Wait until everything that the answer compares is embedded."""
        if texts := texts_compared(self._store, query):
            await _vectors(self._embedder.submit(texts))
        if isinstance(query, AskCognition | AskAncestry):
            await self._embedded(lambda: self._library.ready, "the cognition base is not embedded yet")
        course, count = motivations_compared(self._store, query)
        if course is not None and count:
            await self._embedded(lambda: self._ideas.embedded(course) >= count, "motivations are not embedded yet")

    async def _embedded(self, met: Callable[[], bool], otherwise: str) -> None:
        """Wait for embeddings. Raises ValueError where they don't come, at once where there is no model."""
        await self._until(lambda: self._model_fault or met(), ANSWER_PATIENCE_S, otherwise)
        if self._model_fault and not met():
            raise ValueError(self._model_fault)

    async def _follow(self) -> None:
        """Learn the log as it comes."""
        log.info("following", after=self._store.position)
        async for batch in self._bus.follow(after=self._store.position, news_request=self._wanted):
            await self._learn(batch)

    async def _learn(self, batch: Sequence[StoredMessage]) -> None:
        """Learn a batch, put what can't be read among the dead letters, and wake who waits."""
        readable: list[Envelope] = []
        for stored in batch:
            try:
                readable.append(decode_event(stored))
            except MalformedMessage as error:
                await self._bus.publish_dead_letter(stored, str(error))
        by_seq = {stored.seq: stored for stored in batch}
        for said, reason in self._store.apply(readable, batch[-1].seq):
            await self._bus.publish_dead_letter(by_seq[said.seq], reason)
        if self._store.pending_rows > COMMIT_ROWS:
            self._store.commit()
        await self._wake()

    async def _write(self) -> None:
        """Write what was learned, a little later and many rows at once."""
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            learned = self._store.pending_rows
            self._store.commit()
            if learned:
                collect_and_freeze()

    async def _embed(self) -> None:
        """Embed the library, then every motivation in the order of the log."""
        try:
            if not self._library.ready:
                self._library.add_vectors(await _vectors(self._embedder.submit(self._library.texts)))
            while True:
                await self._wake()
                async with self._news:
                    await self._news.wait_for(self._missing)
                await self._embed_next()
                await asyncio.sleep(0)  # what is at hand is embedded without a wait, and others want their turn
        except ValueError as error:
            log.error("no_embeddings", error=str(error))
            self._model_fault = str(error)
            await self._wake()

    def _missing(self) -> CampaignState | None:
        """Return a campaign that has motivations to be embedded."""
        courses = tuple(self._store.read_model.campaigns.values())
        return next((course for course in courses if self._ideas.missing(course, 1)), None)

    async def _embed_next(self) -> None:
        """Embed the next motivations of such a campaign."""
        course = self._missing()
        assert course is not None
        proposals = self._ideas.missing(course, MOTIVATIONS_PER_BATCH)
        vectors = await _vectors(self._embedder.submit([proposal.motivation for proposal in proposals]))
        self._ideas.add(course, proposals, vectors)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _until(self, met: Callable[[], object], patience: float, otherwise: str) -> None:
        """Wait for news until a condition is met. Raises NotYet where it is not in time."""
        if met():
            return
        try:
            async with asyncio.timeout(patience), self._news:
                await self._news.wait_for(met)
        except TimeoutError:
            raise AnswerPending(otherwise) from None


async def _vectors(asked: Future[Vectors32]) -> Vectors32:
    """Return what an embedder was asked for: at once where it was at hand."""
    return asked.result() if asked.done() else await asyncio.wrap_future(asked)
