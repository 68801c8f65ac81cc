"""The table's files: lines of JSON while it grows, Parquet when it is packed.

A line is one run with everything that it reported, so that a later column needs no new training. Lines are appended
one at a time: a run that was interrupted leaves no line, or half of one, which is ignored.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from agents.design import Design
from benchmarks.tables.plan import Member, TableRun
from bus.vocabulary.events import Metrics

Row = dict[str, Any]
FOLDER = Path(__file__).parent
TABLE = FOLDER / "mixers.parquet"
"""The committed table."""
CURVE_DIGITS = 4
"""Decimals of a loss in a curve."""


def append(path: Path, row: Row) -> None:
    """Add a run's row to a file of lines."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, separators=(",", ":")) + "\n")


def row_of(trial: TableRun, corpus: str, metrics: Metrics | None, failed: str = "") -> Row:
    """Return the row of a run; `corpus` is the hash of its text, `failed` why it has no metrics."""
    member = trial.member
    row: Row = {
        "key": member.key,
        "stratum": member.stratum,
        "generation": member.generation,
        "parent": member.parent,
        "rung": trial.rung,
        "seed": trial.seed,
        "design": json.dumps(member.design.to_json(), sort_keys=True),
        "corpus": corpus[:16],
        "failed": failed,
    }
    return row | (_figures(metrics) if metrics else {})


def _figures(metrics: Metrics) -> Row:
    """Return a run's figures: a column per task and measure, and a curve per task."""
    scores = {
        f"{name}_{measure}": round(one.value, 6)
        for name, task in metrics.tasks.items()
        for measure, one in task.measures.items()
    }
    curves = {
        f"{name}_curve": [round(point.loss, CURVE_DIGITS) for point in metrics.curve if point.task == name]
        for name in metrics.tasks
    }
    training = {f"training_{name}": value for name, value in metrics.training.items()}
    return scores | curves | metrics.size | metrics.cost | training


def member_of(row: Row) -> Member:
    """Return the member that a row is about."""
    design = Design.from_json(json.loads(row["design"]))
    return Member(design, row["stratum"], row["generation"], row["parent"])


def read_lines(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of lines; a line cut short by an interruption is left out."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def read_table(path: Path = TABLE) -> list[Row]:
    """Return the rows of a packed table, in order; none if there is no file."""
    if not path.exists():
        return []
    with duckdb.connect() as connection:
        cursor = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def pack(rows: list[Row], path: Path = TABLE) -> None:
    """Write rows as Parquet, ordered by generation, key, rung and seed."""
    lines = path.with_suffix(".tmp.jsonl")
    ordered = sorted(rows, key=lambda row: (row["generation"], row["key"], row["rung"], row["seed"]))
    lines.write_text("".join(json.dumps(row) + "\n" for row in ordered), encoding="utf-8")
    try:
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited', sample_size = -1)) "
                f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
    finally:
        lines.unlink()
