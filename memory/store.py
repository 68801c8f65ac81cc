"""The file: every row memory keeps, in DuckDB, together with the position of the log they reach up to.

Events are learned at once (`apply`) and written later (`commit`), a whole buffer in one transaction with the position.
What a crash takes away is therefore read from the log again, and never half there.
"""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple
from heapq import merge
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, Self, TypeVar

import duckdb

from bus.wire.envelope import Envelope
from memory.gc_tuning import gc_paused
from memory.projections import DERIVED, TABLES, EmbeddingRow, rows
from memory.rows import Row, columns, ddl
from memory.state.read_model import ReadModel

RowT = TypeVar("RowT", bound=Row)

SCHEMA = hashlib.sha256("\n".join(map(ddl, (*TABLES, *DERIVED))).encode()).hexdigest()
"""Which shape of tables this is; a file of another shape is emptied and filled from the log again."""

MAX_CACHED_TEXTS = 4096
"""Long texts kept at hand."""
BUFFERS, LEAST = "1GB", "128MB"
"""What DuckDB may hold of the file and of its own work, and what it keeps when it is told to let go."""
CHECKPOINT_THRESHOLD = "256MB"
"""How far DuckDB's own log may run ahead of the file: to work it in takes seconds at 100,000 experiments."""


class Store:
    """What memory holds. Used by one thread at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or make it. Raises ValueError where that can't be done."""
        self.path = path
        self.read_only = read_only
        self._written = 0
        self.read_model = ReadModel()
        self._unwritten: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self._texts: OrderedDict[tuple[type[Row], int], Row] = OrderedDict()
        self._database = _connect(path, read_only)
        try:
            self._prepare()
            with gc_paused():
                self._load()
        except (duckdb.Error, ValueError) as error:
            self._database.close()
            raise ValueError(f"cannot read {path}: {_line(error)}") from None

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is unwritten and close."""
        self.close()

    @property
    def position(self) -> int:
        """Position in the log that has been read."""
        return self.read_model.position

    @property
    def pending_rows(self) -> int:
        """How many rows a commit would write."""
        return sum(map(len, self._unwritten.values()))

    def apply(self, batch: Sequence[Envelope], reached: int = 0) -> list[tuple[Envelope, str]]:
        """Learn events in the order of the log, past the ones already known, and stand at the last or at `reached`.

        Returns the events that can't be kept, each with the reason in one line.
        """
        refused = []
        for said in batch:
            assert said.seq > 0, "an event has a position once the log has stored it"
            if said.seq <= self.position:
                continue
            if said.id not in self.read_model.seen:
                try:
                    self._learn(rows(said))
                except ValueError as error:
                    refused.append((said, str(error)))
            self.read_model.position = said.seq
        self.read_model.position = max(self.position, reached)
        return refused

    def commit(self) -> None:
        """Write everything learned since the last commit, with the position, in one transaction. Raises ValueError."""
        if self.read_only or (not self._unwritten and self._written == self.position):
            return
        try:
            self._transact(self._write)
        except duckdb.Error as error:
            raise ValueError(f"cannot write {self.path}: {_line(error)}") from None
        self._unwritten.clear()
        self._written = self.position

    def text(self, kind: type[RowT], seq: int) -> RowT | None:
        """Return the long text that came at a position."""
        row = self._texts.get((kind, seq))
        if row is None:
            self.commit()
            row = next(self._select(kind, "WHERE seq = ?", [seq]), None)
            if row is None:
                return None
        self._remember(row)
        assert isinstance(row, kind)
        return row

    def digest(self) -> str:
        """Return a hash of the position and of every row, whatever batches they came in."""
        self.commit()
        digest = hashlib.sha256(str(self.position).encode())
        for kind in TABLES:
            digest.update(f"\n{ddl(kind)}".encode())
            for row in self._select(kind, f"ORDER BY {', '.join(_quoted(kind))}"):
                digest.update(repr(astuple(row)).encode())
        return digest.hexdigest()

    def embeddings(self, campaign: str, model: str | None) -> Iterator[EmbeddingRow]:
        """Yield the embedded motivations of a campaign in log order; those of any model where None is asked."""
        clause = "WHERE campaign = ? AND model = coalesce(?, model) ORDER BY seq"
        return self._select(EmbeddingRow, clause, [campaign, model])

    def keep_embedding(self, row: EmbeddingRow) -> None:
        """Keep an embedded motivation with the next commit, so that a restart need not embed it again."""
        self._unwritten[EmbeddingRow].append(row)

    def release_pages(self) -> None:
        """Let go of the pages that were read to open the file: the rows are in the ledger now, a few are read again."""
        with suppress(duckdb.Error):  # it may need more at the moment
            self._database.execute(f"SET memory_limit = '{LEAST}'")
        self._database.execute(f"SET memory_limit = '{BUFFERS}'")

    def close(self) -> None:
        """Write what is unwritten and let go of the file."""
        self.commit()
        self._database.close()

    def _prepare(self) -> None:
        """Make the tables, unless the file has them in this very shape."""
        names = {name for (name,) in self._database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        shape = self._database.execute("SELECT shape FROM reached").fetchone() if "reached" in names else None
        if shape == (SCHEMA,):
            return
        if self.read_only:
            raise ValueError("it was written by another version; the lab rebuilds it from the log when it runs")
        self._transact(lambda: self._recreate(names))

    def _recreate(self, names: set[str]) -> None:
        for name in names:
            self._database.execute(f'DROP TABLE "{name}"')
        self._database.execute("CREATE TABLE reached (seq BIGINT, shape VARCHAR)")
        self._database.execute("INSERT INTO reached VALUES (0, ?)", [SCHEMA])
        for statement in map(ddl, (*TABLES, *DERIVED)):
            self._database.execute(statement)

    def _load(self) -> None:
        """Fold the ledger from the rows in the file."""
        for row in merge(*(self._select(kind, "ORDER BY seq") for kind in TABLES if kind.held), key=attrgetter("seq")):
            self.read_model.apply(row)
        found = self._database.execute("SELECT seq FROM reached").fetchone()
        assert found is not None
        self.read_model.position = self._written = int(found[0])

    def _learn(self, learned: list[Row]) -> None:
        for row in learned:
            self._unwritten[type(row)].append(row)
            if row.held:
                self.read_model.apply(row)
            else:
                self._remember(row)

    def _remember(self, row: Row) -> None:
        self._texts[type(row), row.seq] = row
        self._texts.move_to_end((type(row), row.seq))
        while len(self._texts) > MAX_CACHED_TEXTS:
            self._texts.popitem(last=False)

    def _select(self, kind: type[RowT], clause: str, wanted: Sequence[object] = ()) -> Iterator[RowT]:
        """Yield a table's rows, a few thousand at a time."""
        cursor = self._database.cursor()
        # Names of tables and columns are this project's own; whatever comes from outside is bound, never spliced.
        cursor.execute(f"SELECT {', '.join(_quoted(kind))} FROM {kind.table} {clause}", list(wanted))  # noqa: S608
        lists = [at for at, sql in enumerate(columns(kind).values()) if sql.endswith("[]")]
        while found := cursor.fetchmany(4096):
            for row in found:
                values: list[Any] = list(row)
                values[1:3] = map(intern, values[1:3])  # campaign and experiment, in every row of a life
                for at in lists:
                    values[at] = tuple(values[at])
                yield kind(*values)

    def _write(self) -> None:
        for kind, learned in self._unwritten.items():
            values = ", ".join(f"unnest(?::{sql}[])" for sql in columns(kind).values())
            self._database.execute(
                f"INSERT INTO {kind.table} SELECT {values}",
                [[getattr(row, name) for row in learned] for name in columns(kind)],
            )
        self._database.execute("UPDATE reached SET seq = ?", [self.position])

    def _transact(self, work: Callable[[], Any]) -> None:
        """Do it in one transaction, or not at all."""
        self._database.begin()
        try:
            work()
        except BaseException:
            self._database.rollback()
            raise
        self._database.commit()


def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open the database with one thread: its questions are small. Raises ValueError."""
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        config = {"threads": 1, "memory_limit": BUFFERS, "checkpoint_threshold": CHECKPOINT_THRESHOLD}
        return duckdb.connect(str(path), read_only=read_only, config=config)
    except (duckdb.Error, OSError) as error:
        raise ValueError(f"cannot open {path}: {_line(error)}") from None


def _quoted(kind: type[Row]) -> list[str]:
    return [f'"{name}"' for name in columns(kind)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
