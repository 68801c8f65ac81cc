"""Tables of documents: JSONL and Parquet through DuckDB, Arrow through pyarrow if it is installed.

Only the parent reads them, a few thousand rows at a time. DuckDB may load no extension and reach no network.
"""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.tasks.text_files import require_regular, require_text, require_utf8

JSON_LINES_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
TEXT_COLUMNS = ("text", "content")
"""Columns that hold the document, by preference."""
ROWS_PER_BATCH = 4096
"""Rows in memory at once."""
READ_JSON_LINES = "read_json(?, format = 'newline_delimited', maximum_depth = 1, maximum_object_size = 268435456)"
"""Reads every column as JSON, so that a text which looks like a date or a number stays unchanged."""
Value = str | bytes | Sequence[str | None]
"""A document as a table may hold it."""
DUCKDB_SETTINGS: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}


def is_table(path: Path) -> bool:
    """Whether a file has the suffix of a table."""
    return path.name.lower().endswith((*JSON_LINES_SUFFIXES, ".parquet", ".arrow"))


def read_table(path: Path) -> Iterator[bytes]:
    """Yield the documents of a table and skip rows without text. Raises ValueError in one line, OSError."""
    require_utf8(path)
    require_regular(path)
    with path.open("rb"):  # a file that can't be opened raises OSError here, as any other file does
        values = _read_arrow(path) if path.suffix.lower() == ".arrow" else _read_with_duckdb(path)
        yield from (_document(value, path) for value in values if value)


def _document(value: Value, path: Path) -> bytes:
    """Return the document that a table holds as text, as bytes, or as a list of lines or paragraphs."""
    if isinstance(value, bytes):
        require_text(value, path)
        return value
    text = value if isinstance(value, str) else "\n".join(filter(None, value))
    return text.encode("utf-8", errors="replace")


def _read_with_duckdb(path: Path) -> Iterator[Value | None]:
    """Yield the texts of a JSONL or Parquet file."""
    import duckdb

    is_json = path.suffix.lower() != ".parquet"
    source = READ_JSON_LINES if is_json else "read_parquet(?)"
    pattern = glob.escape(str(path))
    with duckdb.connect(":memory:", config=DUCKDB_SETTINGS) as database:
        try:
            columns = database.execute(f"DESCRIBE SELECT * FROM {source}", [pattern]).fetchall()  # noqa: S608 (ours)
            texts = [column for column, kind, *_ in columns if kind in {"VARCHAR", "JSON"}]
            others = [column for column, kind, *_ in columns if kind in {"VARCHAR[]", "BLOB"}]
            name = _text_column(path, texts, others, [column for column, *_ in columns])
            column = '"' + name.replace('"', '""') + '"'
            # A text in a JSON column loses its quotes here; any other value becomes NULL.
            value = f"CASE json_type({column}) WHEN 'VARCHAR' THEN {column}->>'$' END" if is_json else column
            database.execute(f"SELECT {value} FROM {source}", [pattern])  # noqa: S608 (a quoted name, our own words)
            while batch := database.fetchmany(ROWS_PER_BATCH):
                yield from (value for (value,) in batch)
        except duckdb.Error as error:
            raise ValueError(f"{path}: {_first_line(str(error))}") from None


def _read_arrow(path: Path) -> Iterator[Value | None]:
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
                texts = [column.name for column in batch.schema if _is_arrow_text(column.type)]
                others = [column.name for column in batch.schema if _is_other_arrow_text(column.type)]
                yield from batch.column(_text_column(path, texts, others, batch.schema.names)).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {_first_line(str(error))}") from None


def _is_arrow_text(kind: Any) -> bool:
    """Whether an Arrow column of this type holds strings."""
    import pyarrow as pa  # pyright: ignore[reportMissingImports]

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_other_arrow_text(kind: Any) -> bool:
    """Whether an Arrow column of this type holds bytes, or lists of strings."""
    import pyarrow as pa  # pyright: ignore[reportMissingImports]

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return _is_arrow_text(kind.value_type) if is_list else pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _text_column(path: Path, texts: Sequence[str], others: Sequence[str], columns: Sequence[str]) -> str:
    """Return the column of the documents: by its name, else the only one of `texts`, else the only one of `others`.

    `others` hold text in another form: bytes, or lists of strings. Raises ValueError if none or several could be it.
    """
    named = [name for name in TEXT_COLUMNS if name in (*texts, *others)]
    possible = named[:1] or texts or others
    if len(possible) != 1:
        names = ", ".join(columns)
        raise ValueError(f"{path}: no column named text or content ({names}); hint: rename the column of documents")
    return possible[0]


def _first_line(message: str) -> str:
    """Return the first line of a library's error message, without the kind of error in front."""
    first = message.strip().splitlines()[0].strip()
    return first.partition(" Error: ")[2] or first
