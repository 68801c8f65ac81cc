"""Memory as a process: it follows the log, learns it, and answers whoever asks.

Three things go on beside each other and meet in one condition, `_news`:
- following: batches of the log are learned as they come, and written to the file a moment later;
- embedding: motivations are embedded in the order of the log, in the background;
- answering: a question waits until its position has been read (and its motivations embedded), then is answered.

The store and all answers belong to one worker thread, so nothing in them is locked; the event loop only waits.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog

from bus.bus import Bus, NotYet
from bus.envelope import Envelope, Malformed
from bus.events import Record
from bus.queries import QUERIES, AskCognition, AskNeighbours, Query
from bus.subjects import read
from bus.transport import Stored
from memory.answers import answer, motivations_compared
from memory.cognition import Library, load_entries
from memory.course import Course
from memory.embedding import Embedder
from memory.garbage import settle
from memory.store import Store
from memory.vectors import Ideas

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that a question waits for its position, or for embeddings, before it is told to come again: shorter than the
asker waits for an answer (`bus.REQUEST_SECONDS`), so that no question is asked twice at once."""
COMMIT_EVERY = 0.5
"""Seconds between transactions: a busy log is written in few large ones. What is not written yet is in the log."""
COMMIT_ROWS = 5000
"""Rows after which a transaction is not put off."""
SETTLE_EVERY = 5000
"""Events after which what has been learned is taken out of the garbage collector's sight."""
EMBED_TOGETHER = 32
"""Motivations embedded between two looks at what else is asked."""

log = structlog.get_logger("memory")


class Memory:
    """The memory role."""

    def __init__(self, bus: Bus, store: Store, embedder: Embedder, library: Library | None = None) -> None:
        """Answer on `bus` from `store`; the library defaults to the entries that come with the project."""
        self._bus = bus
        self._store = store
        self._embedder = embedder
        self._library = library or Library(load_entries(), embedder)
        self._ideas = Ideas(store, embedder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="memory")
        self._orders: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        """Work for that thread, each with who waits for it; what comes while it works is handed over together."""
        self._working: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._model_fault = ""
        """Why nothing can be embedded; empty while it can."""
        self._settled = 0
        """How far the log had been read when memory last settled."""
        self._begun = 0
        """How far the log reached when this process began: no answer describes an earlier "latest"."""

    async def run(self) -> None:
        """Follow, embed and answer until cancelled; what has been learned is then written."""
        settle()
        self._begun = await self._bus.newest()
        for kind in QUERIES.values():
            await self._bus.answer(kind, self.answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._follow, self._write, self._embed):
                    tasks.create_task(work())
        except* ValueError as errors:
            raise ValueError(str(errors.exceptions[0])) from None
        finally:
            self._thread.submit(self._store.commit).result()
            self._thread.shutdown()

    async def answer(self, query: Query) -> Record:
        """Answer a question once its position has been read. Raises ValueError with one line."""
        wanted = query.at or self._begun
        await self._until(
            lambda: self._store.position >= wanted, PATIENCE, f"memory waited {PATIENCE:g} s for position {wanted}"
        )
        query = query.model_copy(update={"at": query.at or self._store.position})
        await self._understand(query)
        return await self._do(partial(answer, self._store, self._ideas, self._library, query))

    async def _understand(self, query: Query) -> None:
        """Wait until everything that the answer compares is embedded."""
        if isinstance(query, AskNeighbours | AskCognition):
            await asyncio.wrap_future(self._embedder.submit([query.text]))
        if isinstance(query, AskCognition):
            await self._embedded(lambda: self._library.ready, "the cognition base is not embedded yet")
        course, count = motivations_compared(self._store, query)
        if course is not None and count:
            await self._embedded(lambda: self._ideas.embedded(course) >= count, "motivations are not embedded yet")

    async def _embedded(self, met: Callable[[], bool], otherwise: str) -> None:
        """Wait for embeddings. Raises ValueError where they don't come, at once where there is no model."""
        await self._until(lambda: self._model_fault or met(), PATIENCE, otherwise)
        if self._model_fault and not met():
            raise ValueError(self._model_fault)

    async def _follow(self) -> None:
        """Learn the log as it comes."""
        log.info("following", after=self._store.position)
        async for batch in self._bus.follow(after=self._store.position):
            await self._learn(batch)

    async def _learn(self, batch: Sequence[Stored]) -> None:
        """Learn a batch, put what can't be read among the dead letters, and wake who waits."""
        readable: list[Envelope] = []
        for stored in batch:
            try:
                readable.append(read(stored))
            except Malformed as error:
                await self._bus.bury(stored, str(error))
        by_seq = {stored.seq: stored for stored in batch}
        for said, reason in await self._do(partial(self._store.apply, readable, batch[-1].seq)):
            await self._bus.bury(by_seq[said.seq], reason)
        if self._store.unwritten > COMMIT_ROWS:
            await self._do(self._store.commit)
        await self._wake()

    async def _write(self) -> None:
        """Write what was learned, a little later and many rows at once."""
        while True:
            await asyncio.sleep(COMMIT_EVERY)
            await self._do(self._store.commit)
            if self._store.position > self._settled + SETTLE_EVERY:
                self._settled = self._store.position
                settle()

    async def _embed(self) -> None:
        """Embed the library, then every motivation in the order of the log."""
        try:
            if not self._library.ready:
                self._library.take(await asyncio.wrap_future(self._embedder.submit(self._library.texts)))
            while True:
                await self._wake()
                async with self._news:
                    await self._news.wait_for(self._missing)
                await self._embed_next()
        except ValueError as error:
            log.error("no_embeddings", error=str(error))
            self._model_fault = str(error)
            await self._wake()

    def _missing(self) -> Course | None:
        """Return a campaign that has motivations to be embedded."""
        courses = tuple(self._store.ledger.courses.values())
        return next((course for course in courses if self._ideas.missing(course, 1)), None)

    async def _embed_next(self) -> None:
        """Embed the next motivations of such a campaign."""
        course = self._missing()
        assert course is not None
        proposals = self._ideas.missing(course, EMBED_TOGETHER)
        vectors = await asyncio.wrap_future(self._embedder.submit([proposal.motivation for proposal in proposals]))
        await self._do(partial(self._ideas.add, course, proposals, vectors))

    async def _do(self, work: Callable[[], T]) -> T:
        """Do it in memory's own thread, in turn."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._orders.append((work, done))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off())
        return await done

    async def _work_off(self) -> None:
        """Hand all waiting work to the thread at once: to wake it, and be woken, costs more than most answers."""
        loop = asyncio.get_running_loop()
        while self._orders:
            orders, self._orders = self._orders, []
            outcomes = await loop.run_in_executor(self._thread, _outcomes, [work for work, _ in orders])
            for (_, done), (result, fault) in zip(orders, outcomes, strict=True):
                if done.cancelled():
                    continue
                if fault:
                    done.set_exception(fault)
                else:
                    done.set_result(result)
        self._working = None

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
            raise NotYet(otherwise) from None


def _outcomes(works: Sequence[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
    """Do one after another; return what each came to: a result, or what it raised."""
    outcomes: list[tuple[Any, Exception | None]] = []
    for work in works:
        try:
            outcomes.append((work(), None))
        except Exception as error:  # noqa: BLE001  (it is raised where the work was asked for)
            outcomes.append((None, error))
    return outcomes
