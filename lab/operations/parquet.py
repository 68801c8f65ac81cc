"""The log as one Parquet file, for tools that read tables: a row for each event, with its data as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.wire.envelope import Envelope, encode
from lab.errors import LabError

COLUMNS = {
    "seq": "BIGINT", "time": "TIMESTAMPTZ", "type": "VARCHAR", "campaign": "VARCHAR", "experiment": "VARCHAR",
    "source": "VARCHAR", "id": "VARCHAR", "cause": "VARCHAR", "data": "JSON",
}  # fmt: skip
"""Columns of the file and their SQL types."""


def write_parquet(file: Path, history: Sequence[Envelope]) -> int:
    """Write events to a file and return how many. Raises LabError."""
    import duckdb

    if file.exists() and not file.is_file():
        raise LabError(f"{file} is no regular file, and the export would replace it; hint: choose another name")
    lists = [list(column) for column in zip(*map(_row, history), strict=True)] or [[] for _ in COLUMNS]
    values = ", ".join(f'unnest(?::{sql}[]) AS "{name}"' for name, sql in COLUMNS.items())
    try:
        with duckdb.connect() as database:
            database.sql(f"SELECT {values}", params=lists).write_parquet(str(file), compression="zstd")
    except duckdb.IOException as error:
        raise LabError(f"can't write {file} ({' '.join(str(error).split())})") from None
    return len(history)


def _row(envelope: Envelope) -> tuple[Any, ...]:
    """Return an event's values, in the order of the columns."""
    data = json.dumps(json.loads(encode(envelope))["data"])
    place = envelope.seq, envelope.time.isoformat(), envelope.type, envelope.campaign, envelope.experiment
    return *place, envelope.source, envelope.id, envelope.cause, data
