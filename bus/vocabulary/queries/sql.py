"""A person's own question, in SQL."""

from typing import ClassVar

from pydantic import Field, JsonValue

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query

MAX_SQL_ROWS = 10_000
"""Most rows of a reply."""


class SqlRows(Record):
    """What a SELECT returned."""

    columns: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[JsonValue, ...], ...] = ()
    """Rows; a value that JSON lacks, such as a time, is a text."""
    truncated: bool = False
    """Whether there were more rows, or more bytes, than a reply may have."""


class AskSql(Query):
    """What does this SELECT return? The tables are those of `move37 sql --tables`, as of the position."""

    name: ClassVar[str] = "sql"
    Reply: ClassVar[type[Record]] = SqlRows

    statement: str
    """One SELECT."""
    limit: int = Field(default=1000, ge=1, le=MAX_SQL_ROWS)
    """Number of rows at most."""
