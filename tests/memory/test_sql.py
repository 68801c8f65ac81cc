"""A person's SELECT: it reads memory's tables as of a position, and nothing can be written, read or set with it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.vocabulary.queries import AskSql, SqlRows
from memory.queries import Knowledge, answer
from memory.sql import answering
from memory.sql.tables import sql_tables
from memory.store import Store
from tests.support.scribe import Scribe

SECRET = Path("/etc/passwd")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Open a store with one campaign of a baseline and its child."""
    with Store(tmp_path_factory.mktemp("memory") / "memory.duckdb") as store:
        scribe = Scribe(store)
        scribe.start()
        scribe.finish("base-gla", 1, 0.4)
        scribe.finish("e0001", 2, 0.6, parent="base-gla")
        scribe.fail("e0001")
        yield store


def ask(store: Store, statement: str, **options: Any) -> SqlRows:
    """Ask the store."""
    reply = answer(Knowledge(store), AskSql(statement=statement, **options))
    assert isinstance(reply, SqlRows)
    return reply


def test_tables_join_what_the_log_says(filled: Store) -> None:
    """`experiments` has the newest analysis and run of each proposal, `scores` each measure of each task."""
    columns = "experiment, parent, fitness, parameters, round(bits_per_byte, 2), recall, failed_attempts"
    reply = ask(filled, f"SELECT {columns} FROM experiments ORDER BY 1")
    assert reply.rows == (
        ("base-gla", None, 0.4, 40_000, 2.02, 0.9, 0),
        ("e0001", "base-gla", 0.6, 40_000, 2.02, 0.9, 1),
    )
    measures = ask(filled, "SELECT task, measure, value, stderr FROM scores WHERE experiment = 'e0001' ORDER BY 1, 2")
    assert measures.rows[0] == ("recall", "accuracy", 0.9, 0.01)


def test_every_table_can_be_read_with_its_documented_columns(filled: Store) -> None:
    """The reference page and `--tables` list what is there."""
    for table in sql_tables():
        assert ask(filled, f"FROM {table.name} LIMIT 0").columns == tuple(table.columns), table.name


def test_a_statement_reads_the_past(filled: Store) -> None:
    """`at` cuts every table, also below those that join others."""
    proposed = ask(filled, "SELECT min(seq) FROM proposals WHERE experiment = 'base-gla'").rows[0][0]
    assert ask(filled, "SELECT experiment, fitness FROM experiments", at=proposed).rows == (("base-gla", None),)


def test_a_reply_is_bounded(filled: Store) -> None:
    """Rows are cut, and the reply says so."""
    reply = ask(filled, "FROM range(100)", limit=3)
    assert ([row[0] for row in reply.rows], reply.truncated) == ([0, 1, 2], True)
    huge = ask(filled, "SELECT repeat('x', 60000) FROM range(1000)")
    assert huge.truncated
    assert len(huge.rows) < 100


HOSTILE = [
    f"SELECT * FROM read_text('{SECRET}')",
    f"SELECT * FROM '{SECRET}'",
    f"SELECT * FROM read_csv('{SECRET}')",
    f"SELECT * FROM sniff_csv('{SECRET}')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_duckdb('copy.duckdb')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM query('DROP TABLE events')",
    "SELECT * FROM enable_logging(storage='file', storage_config={'path': 'written'})",
    "SELECT * FROM add_grammar_extension('x')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM sys",
    "SELECT * FROM request",
    "WITH x AS (INSERT INTO proposals SELECT * FROM proposals RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM copy.main.events RETURNING *) SELECT * FROM x",
    "INSERT INTO copy.main.events SELECT * FROM copy.main.events",
    "CREATE TABLE t (i INTEGER)",
    "DROP VIEW events",
    "COPY (SELECT 1) TO 'written'",
    "EXPORT DATABASE 'written'",
    "ATTACH 'written' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "CALL checkpoint()",
    "SELECT 1; DROP TABLE copy.main.events",
    "BEGIN TRANSACTION READ WRITE",
    "EXPLAIN ANALYZE SELECT 1",
    "",
    "SELEC 1",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_a_statement_can_neither_read_files_nor_write_nor_set(filled: Store, statement: str) -> None:
    """The fault is one line, and neither memory nor the disk has changed."""
    digest, before = filled.digest(), sorted(filled.path.parent.rglob("*"))
    with pytest.raises(ValueError, match=r"^SQL: .*hint: move37 sql --tables") as fault:
        ask(filled, statement)
    assert "\n" not in str(fault.value)
    assert "root:" not in str(fault.value)
    assert filled.digest() == digest
    assert sorted(filled.path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "statement",
    ["SELECT count(*) FROM range(1000000) a, range(1000000) b", "SELECT list(i) FROM range(1000000000) t(i)"],
    ids=["time", "memory"],
)
def test_a_greedy_statement_ends(filled: Store, statement: str) -> None:
    """Its time or its memory runs out, in its own process."""
    began = time.monotonic()
    with pytest.raises(ValueError, match="SQL: "):
        answering.submit(filled, AskSql(statement=statement), 5.0).result()
    assert time.monotonic() - began < 60


def test_the_process_has_no_environment(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of memory's environment is not there; DuckDB's own functions can't tell it."""
    monkeypatch.setenv("MOVE37_SECRET", "hunter2")
    with pytest.raises(ValueError, match="SQL: "):
        ask(filled, "SELECT getenv('MOVE37_SECRET')")


def test_an_unwritten_row_is_read_too(tmp_path: Path) -> None:
    """The copy has what memory has applied, not only what it has committed."""
    with Store(tmp_path / "memory.duckdb") as store:
        Scribe(store).start()
        assert store.pending_rows
        assert ask(store, "SELECT count(*) FROM events").rows == ((1,),)
