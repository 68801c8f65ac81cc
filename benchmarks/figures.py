"""Runs a benchmark and keeps what it prints as records, from which `docs/benchmarks.md` has its tables.

    python -m benchmarks.figures growth-cost growth-times -- python -m benchmarks.growth --sizes 1000 10000

writes a record of each table that the command prints, in their order, under these names; a name of `-` leaves a table
out. Tables are those in Markdown; output without any is JSON: a document, or one object a line. Then
`python -m lab.operations.generate` writes the tables into the page.
"""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.operations.figures import FOLDER, shown_number

NO_RECORD = "-"
CELLS = re.compile(r"(?<!\\)\|")
RULE = re.compile(r"[-: ]+")


@dataclass(frozen=True)
class PrintedTable:
    """A table that a benchmark printed."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def tables_of(output: str) -> list[PrintedTable]:
    """Return the tables in a benchmark's output, in their order. Raises ValueError if it has none."""
    tables = [*_markdown_tables(output.splitlines())] or [*_json_tables(_json(output))]
    if not tables:
        raise ValueError("the command printed no table; hint: Markdown, a JSON document, or one object a line")
    return tables


def _markdown_tables(lines: Sequence[str]) -> Iterator[PrintedTable]:
    block: list[tuple[str, ...]] = []
    for line in (*lines, ""):
        if line.startswith("|"):
            block.append(tuple(cell.strip().replace("\\|", "|") for cell in CELLS.split(line.strip())[1:-1]))
        elif block:
            rows = [tuple(map(_value, row)) for row in block[1:] if not all(map(RULE.fullmatch, row))]
            yield PrintedTable(block[0], tuple(rows))
            block = []


def _value(cell: str) -> object:
    """Return a cell as a number if the page would show that number in the same way."""
    for read in (int, float):
        try:
            value = read(cell.replace(",", ""))
        except ValueError:
            continue
        if shown_number(value) == cell:
            return value
    return cell or None


def _json(output: str) -> Any:
    """Return the JSON of an output: its document, or the objects of its lines. Raises ValueError."""
    try:
        return json.loads(output)
    except ValueError:
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _json_tables(value: Any) -> Iterator[PrintedTable]:
    """Yield a table of a list of objects; of an object, one of its figures, and one of each list in it."""
    if isinstance(value, list):
        rows = [dict(_figures(row)) for row in value if isinstance(row, Mapping)]
        columns = tuple(dict.fromkeys(name for row in rows for name in row))
        if rows:
            yield PrintedTable(columns, tuple(tuple(row.get(name) for name in columns) for row in rows))
    elif isinstance(value, Mapping):
        if figures := tuple(_figures(value)):
            yield PrintedTable(("what", "figure"), figures)
        for inner in value.values():
            if isinstance(inner, list):
                yield from _json_tables(inner)


def _figures(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the figures of an object and of those in it, by their names; lists of objects are left out."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _figures(inner, f"{prefix}{name}, ")
        elif not isinstance(inner, list):
            yield f"{prefix}{name}", inner
        elif not any(isinstance(one, Mapping) for one in inner):
            yield f"{prefix}{name}", ", ".join(map(str, inner))


def write_record(name: str, command: str, table: PrintedTable, machine: str) -> Path:
    """Write a record, and return its file."""
    path = FOLDER / f"{name}.json"
    record = {
        "command": command,
        "date": datetime.now(tz=UTC).date().isoformat(),
        "machine": machine,
        "columns": table.columns,
        "rows": table.rows,
    }
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def machine() -> str:
    """Return this machine in a few words: cores, processor, Python and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load average {load:.0f}"


def run(command: Sequence[str]) -> str:
    """Run a command, show its output as it comes, and return it. Raises CalledProcessError."""
    printed: list[str] = []
    executable = [sys.executable, *command[1:]] if command[0] == "python" else [*command]
    with subprocess.Popen(executable, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            printed.append(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, executable)
    return "".join(printed)


def main() -> None:
    """Run the command and write its records."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        usage="%(prog)s NAME [NAME ...] -- COMMAND",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a record's name, or - to leave a table out")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    names, command = parser.parse_args(sys.argv[1:split]).names, sys.argv[split + 1 :]
    if not command:
        parser.error("a command comes after --")
    here, tables = machine(), tables_of(run(command))
    if len(tables) != len(names):
        listed = "; ".join(", ".join(table.columns) for table in tables)
        sys.exit(f"{len(tables)} tables for {len(names)} names; hint: name each of: {listed}")
    for name, table in zip(names, tables, strict=True):
        if name != NO_RECORD:
            print(write_record(name, shlex.join(command), table, here))


if __name__ == "__main__":
    main()
