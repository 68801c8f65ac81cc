"""Tables of documents: JSONL and Parquet through DuckDB, Arrow through pyarrow where that is installed.

Read in the parent only, a few thousand rows at a time. DuckDB may load no extension and reach no network.
"""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

JSON_LINES_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
TEXT_COLUMNS = ("text", "content")
"""Columns that hold the document, by preference."""
ROWS_PER_BATCH = 4096
"""Rows held at once."""
READ_JSON_LINES = "read_json(?, format = 'newline_delimited', maximum_depth = 1, maximum_object_size = 268435456)"
"""Every column as JSON, so that a text which looks like a date or a number stays what it is."""


def is_table(path: Path) -> bool:
    """Whether a file's name says that it is a table."""
    return path.name.endswith((*JSON_LINES_SUFFIXES, ".parquet", ".arrow"))


def rows(path: Path) -> Iterator[bytes]:
    """Yield the documents of a table; rows without text are passed over. Raises ValueError in one line, OSError."""
    with path.open("rb"):  # what can't be opened is told as of any other file
        texts = _arrow(path) if path.suffix == ".arrow" else _queried(path)
        yield from (text.encode("utf-8", errors="replace") for text in texts if text)


def _queried(path: Path) -> Iterator[str]:
    """Yield the texts of a JSONL or Parquet file."""
    import duckdb

    lines = path.suffix != ".parquet"
    source = READ_JSON_LINES if lines else "read_parquet(?)"
    name = glob.escape(str(path))
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": 1}
    with duckdb.connect(":memory:", config=settings) as database:
        try:
            columns = database.execute(f"DESCRIBE SELECT * FROM {source}", [name]).fetchall()  # noqa: S608 (ours)
            texts = [column for column, kind, *_ in columns if kind in {"VARCHAR", "JSON"}]
            chosen = '"' + _column(path, texts, [column for column, *_ in columns]).replace('"', '""') + '"'
            # Text of a JSON column comes without its quotes; what is no text comes as none.
            value = f"CASE json_type({chosen}) WHEN 'VARCHAR' THEN {chosen}->>'$' END" if lines else chosen
            database.execute(f"SELECT {value} FROM {source}", [name])  # noqa: S608 (a quoted name, our own words)
            while batch := database.fetchmany(ROWS_PER_BATCH):
                yield from (text for (text,) in batch)
        except duckdb.Error as error:
            raise ValueError(f"{path}: {_line(str(error))}") from None


def _arrow(path: Path) -> Iterator[str]:
    """Yield the texts of an Arrow file, in either of its two forms."""
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingImports]
    except ImportError:
        remedy = "`pip install pyarrow`, or save the dataset as Parquet (`Dataset.to_parquet`)"
        raise ValueError(f"{path}: Arrow files need pyarrow: {remedy}") from None
    try:
        with pa.memory_map(str(path)) as file:
            try:
                batches = iter(pa.ipc.open_stream(file))
            except pa.ArrowInvalid:
                reader = pa.ipc.open_file(file)
                batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            for batch in batches:
                kinds = (pa.types.is_string, pa.types.is_large_string)
                texts = [column.name for column in batch.schema if any(is_kind(column.type) for is_kind in kinds)]
                yield from batch.column(_column(path, texts, batch.schema.names)).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {_line(str(error))}") from None


def _column(path: Path, texts: Sequence[str], columns: Sequence[str]) -> str:
    """Return which of the columns of text holds the documents. Raises ValueError where that can't be told."""
    named = [name for name in TEXT_COLUMNS if name in texts]
    if not named and len(texts) != 1:
        raise ValueError(f"{path}: no column named text or content; there are {', '.join(columns)}")
    return named[0] if named else texts[0]


def _line(words: str) -> str:
    """Return the first line of a fault, without the kind of error that a library puts before it."""
    first = words.strip().splitlines()[0].strip()
    return first.partition(" Error: ")[2] or first
