"""The table's files: lines of JSON while it grows, Parquet when it is packed.

A line is one run with everything that it reported, so that a later column needs no new training. Lines are appended
one at a time: a run that was interrupted leaves no line, or half of one, which is ignored.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from agents.design import Design
from benchmarks.tables.plan import Member, TableRun
from bus.vocabulary.events import Metrics
from lab.researchers.measured import FILE, NANO_TEXT

Row = dict[str, Any]
FOLDER = Path(__file__).parent
TABLE = FOLDER / FILE
"""The committed table."""
CURVE_DIGITS = 4
"""Decimals of a loss in a curve."""
HASH_DIGITS = 16
"""Digits of a text's hash in the column `corpus`."""
LAB_TEXTS = {"nano": NANO_TEXT, "micro": "c884058a3221a970"}
"""Text that a lab trains and scores on, by rung: the standard library of Python 3.11.7, as far as a rung reads it."""
EARLIER_TEXTS = {"nano": "c884058a3221a970", "micro": "c884058a3221a970"}
"""Text of the table's first runs: those at nano read as much as micro does, and so measure something else."""
TRANSIENT = ("timeout", "limit", "no_result", "crash")
"""Beginnings of reasons that say nothing about the design."""
PLAN = "plan"
"""The source of runs that `benchmarks.tables.make` made."""


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """Where a run comes from, and which text scored it."""

    source: str = PLAN
    """`plan`, or the name of a campaign's log."""
    position: int | None = None
    """Position in that log of the event with the figures."""
    operator: str = ""
    """What made the design, such as `mutate:gate`; empty in the plan."""
    part: str = "validation"
    """Text that scored it: `validation`, or `sealed` in a campaign's verification."""


PLANNED = RowOrigin()


def append(path: Path, row: Row) -> None:
    """Add a run's row to a file of lines."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, separators=(",", ":")) + "\n")


def row_of(trial: TableRun, corpus: str, metrics: Metrics | None, failed: str = "", made: RowOrigin = PLANNED) -> Row:
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
        "corpus": corpus[:HASH_DIGITS],
        "failed": failed,
        **asdict(made),
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


def run_key(row: Row) -> tuple[str, str, int, str, str]:
    """Return what tells a run from every other: design, rung, seed, text and its part."""
    return row["key"], row["rung"], row["seed"], row["corpus"], row["part"]


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
    """Write rows as Parquet, each run once: those of the plan by generation, those of campaigns as their logs end."""
    lines = path.with_suffix(".tmp.jsonl")
    once = {run_key(row): row for row in reversed(rows)}
    text = "".join(json.dumps(row) + "\n" for row in sorted(once.values(), key=_place))
    lines.write_text(text, encoding="utf-8")
    try:
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited', sample_size = -1)) "
                f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
    finally:
        lines.unlink()


def _place(row: Row) -> tuple[bool, str, int, int, str, str, int]:
    """Return where a row stands in the table."""
    planned = row["source"] == PLAN
    return (not planned, row["source"], row["position"] or 0, row["generation"] or 0, row["key"], row["rung"],
            row["seed"])  # fmt: skip
