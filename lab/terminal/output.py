"""JSON output of the commands."""

import json
import sys
from collections.abc import Iterable
from typing import Any


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def print_json_lines(rows: Iterable[Any]) -> None:
    """Print each row as a JSON object on its own line."""
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
