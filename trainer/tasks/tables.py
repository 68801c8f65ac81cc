"""Tables of documents: JSONL and Parquet through DuckDB, Arrow through pyarrow if it is installed.

Only the parent reads them, a few thousand rows at a time. DuckDB may load no extension and reach no network.
"""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

JSON_LINES_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
TEXT_COLUMNS = ("text", "content")
"""Columns that hold the document, by preference."""
ROWS_PER_BATCH = 4096
"""Rows in memory at once."""
READ_JSON_LINES = "read_json(?, format = 'newline_delimited', maximum_depth = 1, maximum_object_size = 268435456)"
"""Reads every column as JSON, so that a text which looks like a date or a number stays unchanged."""
DUCKDB_SETTINGS: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}


def is_table(path: Path) -> bool:
    """Whether a file has the suffix of a table."""
    return path.name.endswith((*JSON_LINES_SUFFIXES, ".parquet", ".arrow"))


def read_table(path: Path) -> Iterator[bytes]:
    """Yield the documents of a table and skip rows without text. Raises ValueError in one line, OSError."""
    with path.open("rb"):  # a file that can't be opened raises OSError here, as any other file does
        texts = _read_arrow(path) if path.suffix == ".arrow" else _read_with_duckdb(path)
        yield from (text.encode("utf-8", errors="replace") for text in texts if text)


def _read_with_duckdb(path: Path) -> Iterator[str]:
    """Yield the texts of a JSONL or Parquet file."""
    import duckdb

    is_json = path.suffix != ".parquet"
    source = READ_JSON_LINES if is_json else "read_parquet(?)"
    pattern = glob.escape(str(path))
    with duckdb.connect(":memory:", config=DUCKDB_SETTINGS) as database:
        try:
            columns = database.execute(f"DESCRIBE SELECT * FROM {source}", [pattern]).fetchall()  # noqa: S608 (ours)
            texts = [column for column, kind, *_ in columns if kind in {"VARCHAR", "JSON"}]
            column = '"' + _text_column(path, texts, [column for column, *_ in columns]).replace('"', '""') + '"'
            # A text in a JSON column loses its quotes here; any other value becomes NULL.
            value = f"CASE json_type({column}) WHEN 'VARCHAR' THEN {column}->>'$' END" if is_json else column
            database.execute(f"SELECT {value} FROM {source}", [pattern])  # noqa: S608 (a quoted name, our own words)
            while batch := database.fetchmany(ROWS_PER_BATCH):
                yield from (text for (text,) in batch)
        except duckdb.Error as error:
            raise ValueError(f"{path}: {_first_line(str(error))}") from None


def _read_arrow(path: Path) -> Iterator[str]:
    """Yield the texts of an Arrow file, in either of its two forms."""
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingImports]
    except ImportError:
        remedy = "`pip install pyarrow`, or save the dataset as Parquet (`Dataset.to_parquet`)"
        raise ValueError(f"{path}: Arrow files need pyarrow; hint: {remedy}") from None
    try:
        with pa.memory_map(str(path)) as file:
            try:
                batches = iter(pa.ipc.open_stream(file))
            except pa.ArrowInvalid:
                reader = pa.ipc.open_file(file)
                batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            for batch in batches:
                is_text = (pa.types.is_string, pa.types.is_large_string)
                texts = [column.name for column in batch.schema if any(is_kind(column.type) for is_kind in is_text)]
                yield from batch.column(_text_column(path, texts, batch.schema.names)).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {_first_line(str(error))}") from None


def _text_column(path: Path, texts: Sequence[str], columns: Sequence[str]) -> str:
    """Return the column of the documents, one of `texts`. Raises ValueError if none or several could be it."""
    named = [name for name in TEXT_COLUMNS if name in texts]
    if not named and len(texts) != 1:
        names = ", ".join(columns)
        raise ValueError(f"{path}: no column named text or content ({names}); hint: rename the column of documents")
    return named[0] if named else texts[0]


def _first_line(message: str) -> str:
    """Return the first line of a library's error message, without the kind of error in front."""
    first = message.strip().splitlines()[0].strip()
    return first.partition(" Error: ")[2] or first
