"""The process that runs a person's SELECT: a program of its own, with the request as JSON on stdin.

It holds a copy of memory's file, read-only, and nothing else: no key, no connection, no environment. DuckDB may neither
read nor write files there, nor attach, install or load anything, and its settings are locked. A statement that breaks
DuckDB breaks this process alone. The parent kills it at the end of its time; the kernel limits its memory.

    {"database", "tables", "statement", "limit", "max_bytes"}  ->  {"columns", "rows", "truncated"} or {"error"}

`tables` has the statement of each view. It imports nothing of the lab, so it starts in a moment.
"""

import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

MEMORY_LIMIT = "512MB"
"""What DuckDB may use."""
ADDRESS_SPACE_BYTES = 4 << 30
MAX_CELL_CHARACTERS = 1 << 16
SAFE = {
    "enable_external_access": False, "autoinstall_known_extensions": False, "autoload_known_extensions": False,
    "allow_community_extensions": False, "python_enable_replacements": False, "threads": 1,
    "memory_limit": MEMORY_LIMIT, "temp_directory": "",
}  # fmt: skip


def main() -> None:
    """Answer one request."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    request = json.load(sys.stdin)
    try:
        reply = select(request)
    except Exception as error:  # noqa: BLE001 (whatever DuckDB says of a statement goes to its author)
        reply = {"error": " ".join(str(error).split())}
    json.dump(reply, sys.stdout, allow_nan=False)


def select(request: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to a request. Raises duckdb.Error, ValueError."""
    import duckdb

    database = duckdb.connect(str(Path(request["database"])), read_only=True, config=SAFE)
    for name, text in request["tables"].items():  # a view stands before the copy's own table of that name
        database.execute(f"CREATE TEMP VIEW {name} AS {text}")
    database.execute("SET lock_configuration = true")
    statements = database.extract_statements(request["statement"])
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ValueError("only one SELECT is answered")
    cursor = database.execute(statements[0])
    names = [name for name, *_ in cursor.description or ()]
    rows, truncated = _fetch(cursor, request["limit"], request["max_bytes"])
    return {"columns": names, "rows": rows, "truncated": truncated}


def _fetch(cursor: Any, limit: int, max_bytes: int) -> tuple[list[list[Any]], bool]:
    """Return rows until one of the limits is reached, and whether there were more."""
    rows: list[list[Any]] = []
    size = 0
    while record := cursor.fetchone():
        row = [_cell(value) for value in record]
        size += len(json.dumps(row))
        if len(rows) == limit or size > max_bytes:
            return rows, True
        rows.append(row)
    return rows, False


def _cell(value: Any) -> Any:
    """Return a value as JSON holds it; what JSON lacks becomes a text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_cell(one) for one in value]
    return str(value)[:MAX_CELL_CHARACTERS]


if __name__ == "__main__":
    main()
