"""JSON output of the commands."""

import json
import sys
from collections.abc import Iterable
from typing import Any


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=1, ensure_ascii=_must_escape()))


def print_json_lines(rows: Iterable[Any]) -> None:
    """Print each row as a JSON object on its own line."""
    escape = _must_escape()
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=escape) + "\n")


def _must_escape() -> bool:
    """Return True if the output can't hold every character, as with `LC_ALL=C`."""
    return (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
