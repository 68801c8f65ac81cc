"""Tables of `docs/benchmarks.md` from committed records: `docs/figures/<name>.json`, which `benchmarks.figures` writes.

A record says which command printed the figures, on which day and machine. `lab.operations.generate` writes its table
into the page, so a table can't differ from its record.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "figures"


def figures_names() -> list[str]:
    """Return the names of all records."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def figures_table(name: str) -> str:
    """Return a record as Markdown: where its figures come from, and the table."""
    record: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    lines = [record["columns"], ["---"] * len(record["columns"]), *record["rows"]]
    table = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
    return f"`{record['command']}`, {record['date']}, {record['machine']}.\n\n{table}"


def _cell(value: object) -> str:
    """Return a value as it stands in a table; what is unknown is empty."""
    if value is None:
        return ""
    return shown_number(value) if isinstance(value, int | float) else str(value).replace("|", "\\|")


def shown_number(value: float) -> str:
    """Return a number with its thousands set apart."""
    return f"{value:,}"
