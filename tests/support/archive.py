"""An in-memory log with the lab's own memory behind it, for simulated campaigns one after another."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post
from bus.vocabulary.events import Record
from bus.vocabulary.queries import Query
from bus.wire import subjects
from bus.wire.envelope import Envelope
from memory.cognition import CognitionBase, load_entries
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store

T = TypeVar("T")


class Archive:
    """A log, and the memory that reads it."""

    def __init__(self, folder: Path) -> None:
        """Start with an empty log; memory's file is in `folder`."""
        self._file = folder / "memory.duckdb"
        self._transport = MemoryTransport()
        self._embedder = HashEmbedder()
        self._cognition = CognitionBase(load_entries(), self._embedder)
        self.log: list[Envelope] = []
        self._open()

    def _open(self) -> None:
        self.store = Store(self._file)
        self._knowledge = Knowledge(self.store, MotivationIndex(self.store, self._embedder), self._cognition)

    def publish(
        self, role: str, post: Post, campaign: str, cause: Envelope | None, ordinal: int | str
    ) -> list[Envelope]:
        """Publish as a role does, and return the log's new events: none if the stream refuses the post."""
        _run_without_waiting(Bus(self._transport, role).publish(post, campaign, cause, ordinal))
        return self._read_on()

    def answer(self, query: Query) -> Record:
        """Answer as memory does."""
        return answer(self._knowledge, query)

    def crash_memory(self) -> None:
        """Lose everything that memory has not written; it starts again from its file and reads on from there."""
        self.store._database.close()
        self._open()
        self._read_on()

    def _read_on(self) -> list[Envelope]:
        """Append the stream's new messages to the log and let memory apply them."""
        messages = self._transport._streams[subjects.LOG].messages[len(self.log) :]
        new = [subjects.decode_event(stored) for stored in messages]
        self.log += new
        assert self.store.apply(self.log[self.store.position :]) == []
        return new


def _run_without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")
