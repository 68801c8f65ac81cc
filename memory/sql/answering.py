"""Runs a person's SELECT in a process of its own, on a copy of memory's file.

The copy is made between two transactions, so it is of one moment. It takes time in proportion to the file: 0.1 s for
100 MB. The statement then runs on its own, and memory goes on answering.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.vocabulary.queries import AskSql, SqlRows
from memory.sql.tables import sql_tables
from memory.store import Store

SERVICE_SECONDS, FILE_SECONDS = 10.0, 60.0
"""Time of a statement: of a lab, and of a log in a file."""
MAX_REPLY_BYTES = 4 << 20
"""Most bytes of the rows in a reply; the server passes messages up to 8 MB."""
COPY, SOURCE = "copy.duckdb", "copy.main"
"""The copy's file, and the schema of its tables."""
WORKER = Path(__file__).with_name("worker.py")
_ONE_AT_A_TIME = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sql")


@dataclass(frozen=True)
class SqlJob:
    """A statement and the copy that it reads."""

    folder: Path
    request: dict[str, Any]
    seconds: float

    def run(self) -> SqlRows:
        """Return the rows, and delete the copy. Raises ValueError, in one line, with the statement's fault."""
        try:
            reply = self._ask()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        if "error" in reply:
            raise ValueError(f"SQL: {reply['error']}; hint: move37 sql --tables lists the tables and their columns")
        return SqlRows.model_validate(reply)

    def _ask(self) -> dict[str, Any]:
        """Return the worker's reply."""
        command = [sys.executable, "-I", str(WORKER)]
        try:
            result = subprocess.run(
                command, input=json.dumps(self.request), capture_output=True, text=True, timeout=self.seconds,
                cwd=self.folder, env={}, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"error": f"the statement took longer than {self.seconds:g} s"}
        try:
            return json.loads(result.stdout)
        except ValueError:
            return {"error": f"the statement ended its process (exit code {result.returncode})"}


def submit(store: Store, query: AskSql, seconds: float = SERVICE_SECONDS) -> Future[SqlRows]:
    """Copy the store's file, and return the future rows. Raises MemoryFault, or ValueError if it can't be copied."""
    store.commit()
    try:
        folder = _copy(store.path)
    except OSError as error:
        raise ValueError(f"can't copy {store.path} ({error.strerror})") from None
    tables = {table.name: table.statement(SOURCE, query.at or store.position) for table in sql_tables()}
    request = {
        "database": COPY, "tables": tables, "statement": query.statement, "limit": query.limit,
        "max_bytes": MAX_REPLY_BYTES,
    }  # fmt: skip
    return _ONE_AT_A_TIME.submit(SqlJob(folder, request, seconds).run)


def _copy(database: Path) -> Path:
    """Copy a database and DuckDB's own log of it to a new folder next to it. Raises OSError."""
    folder = Path(tempfile.mkdtemp(prefix="sql-", dir=database.parent))
    try:
        for suffix in ("", ".wal"):
            source = database.with_name(database.name + suffix)
            if not suffix or source.exists():
                shutil.copyfile(source, folder / f"{COPY}{suffix}")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
