"""The store: every row of memory in a DuckDB file, together with the position of the log that they reach up to.

Events are applied at once (`apply`) and written later (`commit`): all new rows and the position in one transaction. So
a crash loses whole events, never parts of one, and memory reads them from the log again. A file that can't be read, or
is of another version, raises DatabaseDamaged; `memory.recovery` replaces it.
"""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple
from heapq import merge
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, Self

import duckdb

from bus.audit.chain import message_hash
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage
from memory.database_name import database_name
from memory.faults import DatabaseDamaged, fault_of
from memory.gc_tuning import gc_paused
from memory.projections import DERIVED, TABLES, EmbeddingRow, EventRow, rows
from memory.rows import Row, RowT, columns, ddl
from memory.state.read_model import ReadModel

REACHED = "CREATE TABLE reached (seq BIGINT, message VARCHAR, shape VARCHAR)"
"""One row: the position that the rows reach up to, the hash of the message there, and `SCHEMA`."""
SCHEMA = hashlib.sha256("\n".join([REACHED, *map(ddl, (*TABLES, *DERIVED))]).encode()).hexdigest()
"""Hash of the table definitions: a file with other tables is of another version."""

MAX_CACHED_TEXTS = 4096
"""Long texts cached."""
BUFFER_LIMIT, RELEASED_BUFFER_LIMIT = "1GB", "128MB"
"""Memory that DuckDB may use for pages of the file and its own work; the lower limit makes it release pages."""
CHECKPOINT_THRESHOLD = "256MB"
"""How far DuckDB's own log may run ahead of the file: merging it takes seconds at 100,000 experiments."""
ROWS_PER_FETCH = 4096


class Store:
    """The rows of memory and the read model made from them. Used by one thread at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or create it. Raises MemoryFault: DatabaseDamaged if it is none of this version's."""
        self.path = path
        self.read_only = read_only
        self._committed_position = 0
        self.last_hash = ""
        """Hash of the message at `position`; empty if it is not known."""
        self.read_model = ReadModel()
        self._unwritten: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self._texts: OrderedDict[tuple[type[Row], int], Row] = OrderedDict()
        with self._reporting("open"):
            self._database = _connect(path, read_only)
        try:
            with self._reporting("read"), gc_paused():
                self._prepare()
                self._load()
        except ValueError:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the new rows and close the file."""
        self.close()

    @property
    def position(self) -> int:
        """Position up to which the log has been read."""
        return self.read_model.position

    @property
    def pending_rows(self) -> int:
        """How many rows a commit would write."""
        return sum(map(len, self._unwritten.values()))

    def apply(self, batch: Sequence[Envelope], last: StoredMessage | None = None) -> list[tuple[Envelope, str]]:
        """Apply events in the order of the log; the position becomes that of the last one.

        `last` is the last message that was read, whether or not it is an event; the position is then its own. Skips
        events that were applied before. Returns the events that can't be stored, with one-line reasons.
        """
        refused = []
        for envelope in batch:
            assert envelope.seq > 0, "an event has a position once the log has stored it"
            if envelope.seq <= self.position:
                continue
            try:
                self._apply(rows(envelope))
            except ValueError as error:
                refused.append((envelope, str(error)))
            self.read_model.position, self.last_hash = envelope.seq, ""
        if last and last.seq >= self.position:
            self.read_model.position, self.last_hash = last.seq, message_hash(last)
        return refused

    def commit(self) -> None:
        """Write the new rows and the position in one transaction. Raises MemoryFault if the file can't be written."""
        if self.read_only or (not self._unwritten and self._committed_position == self.position):
            return
        with self._reporting("write"):
            self._transact(self._write)
        self._unwritten.clear()
        self._committed_position = self.position

    def text(self, kind: type[RowT], seq: int) -> RowT | None:
        """Return the row with a long text of the event at a position; None if there is none."""
        row = self._texts.get((kind, seq))
        if row is None:
            self.commit()
            row = next(self._select(kind, "WHERE seq = ?", [seq]), None)
            if row is None:
                return None
        self._cache(row)
        assert isinstance(row, kind)
        return row

    def digest(self) -> str:
        """Return a hash of the position and of every row; it does not depend on how the log was cut into batches.

        A table without rows adds nothing, so a table for a new kind of event changes no older digest.
        """
        self.commit()
        digest = hashlib.sha256(str(self.position).encode())
        for kind in TABLES:
            for index, row in enumerate(self._select(kind, f"ORDER BY {', '.join(_quoted(kind))}")):
                digest.update(("" if index else f"\n{ddl(kind)}").encode() + repr(astuple(row)).encode())
        return digest.hexdigest()

    def embeddings(self, campaign: str, model: str | None) -> Iterator[EmbeddingRow]:
        """Yield the embedded motivations of a campaign in log order: those of one embedder, or of any for None."""
        clause = "WHERE campaign = ? AND model = coalesce(?, model) ORDER BY seq"
        return self._select(EmbeddingRow, clause, [campaign, model])

    def keep_embedding(self, row: EmbeddingRow) -> None:
        """Store an embedded motivation with the next commit, so that a restart need not embed it again."""
        self._unwritten[EmbeddingRow].append(row)

    def release_pages(self) -> None:
        """Free the pages that were read to open the file: the read model has the rows, few are read again."""
        with suppress(duckdb.Error):  # DuckDB may need more at the moment
            self._database.execute(f"SET memory_limit = '{RELEASED_BUFFER_LIMIT}'")
        self._database.execute(f"SET memory_limit = '{BUFFER_LIMIT}'")

    def close(self) -> None:
        """Write the new rows and close the file."""
        try:
            self.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file without writing to it."""
        with suppress(duckdb.Error):  # a damaged database may fail here too
            self._database.close()

    def _prepare(self) -> None:
        """Create the tables in a new file. Raises DatabaseDamaged if an older one has other tables."""
        names = {name for (name,) in self._database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if not names:
            self._transact(self._create)
        elif "reached" not in names or not self._has_todays_shape():
            hint = "; hint: start the lab, which rebuilds it from the log" if self.read_only else ""
            raise DatabaseDamaged(f"{self.path} was written by another version{hint}")

    def _has_todays_shape(self) -> bool:
        return self._database.execute("SELECT shape FROM reached").fetchall() == [(SCHEMA,)]

    def _create(self) -> None:
        for statement in (REACHED, *map(ddl, (*TABLES, *DERIVED))):
            self._database.execute(statement)
        self._database.execute("INSERT INTO reached VALUES (0, '', ?)", [SCHEMA])

    def _load(self) -> None:
        """Make the read model from the rows in the file."""
        tables = (self._select(kind, "ORDER BY seq") for kind in TABLES if kind.held)
        for row in merge(*tables, key=attrgetter("seq")):
            self.read_model.apply(row)
        position, message = self._database.execute("SELECT seq, message FROM reached").fetchall()[0]
        self.read_model.position = self._committed_position = int(position)
        self.last_hash = str(message)

    def _apply(self, new: tuple[EventRow, *tuple[Row, ...]]) -> None:
        """Apply the rows of an event, unless it was applied before."""
        if new[0].identity in self.read_model.applied:
            return
        for row in new:
            self._unwritten[type(row)].append(row)
            if row.held:
                self.read_model.apply(row)
            else:
                self._cache(row)

    def _cache(self, row: Row) -> None:
        self._texts[type(row), row.seq] = row
        self._texts.move_to_end((type(row), row.seq))
        while len(self._texts) > MAX_CACHED_TEXTS:
            self._texts.popitem(last=False)

    def _select(self, kind: type[RowT], clause: str, values: Sequence[object] = ()) -> Iterator[RowT]:
        """Yield the rows of a table, fetched a few thousand at a time."""
        lists = [index for index, sql in enumerate(columns(kind).values()) if sql.endswith("[]")]
        with self._reporting("read"), closing(self._database.cursor()) as cursor:
            # The names of tables and columns are constants of this project; every other value is bound, never spliced.
            cursor.execute(f"SELECT {', '.join(_quoted(kind))} FROM {kind.table} {clause}", list(values))  # noqa: S608
            while records := cursor.fetchmany(ROWS_PER_FETCH):
                for record in records:
                    fields: list[Any] = list(record)
                    fields[1:3] = map(intern, fields[1:3])  # campaign and experiment: the same strings in many rows
                    for index in lists:
                        fields[index] = tuple(fields[index])
                    yield kind(*fields)

    def _write(self) -> None:
        for kind, new in self._unwritten.items():
            values = ", ".join(f"unnest(?::{sql}[])" for sql in columns(kind).values())
            self._database.execute(
                f"INSERT INTO {kind.table} SELECT {values}",
                [[getattr(row, name) for row in new] for name in columns(kind)],
            )
        self._database.execute("UPDATE reached SET seq = ?, message = ?", [self.position, self.last_hash])

    def _transact(self, work: Callable[[], None]) -> None:
        """Do some work in one transaction, or not at all."""
        self._database.begin()
        try:
            work()
            self._database.commit()
        except BaseException:
            with suppress(duckdb.Error):
                self._database.rollback()
            raise

    @contextmanager
    def _reporting(self, action: str) -> Iterator[None]:
        """Report every error of an access to the file as a MemoryFault."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (what a damaged file may lead to has no end)
            raise fault_of(self.path, action, error) from None


def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open the database with one thread, since its queries are small. Raises duckdb.Error, OSError."""
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    config = {"threads": 1, "memory_limit": BUFFER_LIMIT, "checkpoint_threshold": CHECKPOINT_THRESHOLD}
    return duckdb.connect(database_name(path), read_only=read_only, config=config)


def _quoted(kind: type[Row]) -> list[str]:
    return [f'"{name}"' for name in columns(kind)]
