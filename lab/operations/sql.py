"""Asks a lab, or an exported log, in SQL."""

import tempfile
from pathlib import Path

from bus.vocabulary.queries import AskSql, SqlRows
from lab.client.session import open_lab
from lab.operations import replay
from lab.settings import Settings


async def ask_lab(settings: Settings, statement: str, limit: int, at: int | None) -> SqlRows:
    """Return memory's answer. Raises LabError, QueryRefused with the statement's fault."""
    async with open_lab(settings) as reader:
        return await (await reader.as_of(at)).sql(statement, limit)


def ask_log(file: Path, statement: str, limit: int, at: int | None) -> SqlRows:
    """Return the answer of a memory that is made from an exported log. Raises LabError, ValueError."""
    from memory.sql.answering import FILE_SECONDS, submit
    from memory.store import Store

    history = replay.read_history(file)
    with tempfile.TemporaryDirectory(prefix="move37-") as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(history)
        return submit(store, AskSql(statement=statement, limit=limit, at=at or 0), FILE_SECONDS).result()
