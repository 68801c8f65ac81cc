"""Train the table of mixers, generation by generation; it takes up where it stopped.

    python -m benchmarks.tables.make --generations 15 [--processes 2]
    python -m benchmarks.tables.make --pack

A generation is about 140 runs at nano and 10 at micro: 40 minutes of one core. Runs are those of a lab: in the jail,
examined, on the lab's default text. Rows go to a file of lines first; `--pack` puts them into the committed table. A
run that failed for lack of time or memory is made again by the next call.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from agents.design import render
from benchmarks.tables.plan import Member, TableRun, breed, merit, replications, screening
from benchmarks.tables.storage import (
    FOLDER,
    LAB_TEXTS,
    PLAN,
    TRANSIENT,
    Row,
    append,
    member_of,
    pack,
    read_lines,
    read_table,
    row_of,
)
from benchmarks.tables.training import corpus_of, train
from bus.wire.ids import run_id

LINES = FOLDER / "runs.jsonl"
"""Rows that are not packed yet."""


class Maker:
    """The rows so far, and the file that takes new ones."""

    def __init__(self, rows: Iterable[Row], lines: Path, processes: int) -> None:
        """Continue from the plan's rows on the lab's text, with so many runs at a time. Raises ValueError."""
        self._rows = {(row["key"], row["rung"], row["seed"]): row for row in rows if _counts(row)}
        self._lines, self._processes = lines, processes
        for rung in LAB_TEXTS:
            corpus_of(rung)  # refuses another text before anything is trained

    def make(self, generations: int) -> None:
        """Train what is missing of the first so many generations."""
        for generation in range(generations):
            members = self._members(generation)
            self._train(screening(members), f"generation {generation}, first seeds")
            self._train(replications(members, self._merits()), f"generation {generation}, more seeds and micro")

    def _members(self, generation: int) -> list[Member]:
        """Return a generation's members: those that have rows, or new ones."""
        earlier = list({row["key"]: member_of(row) for row in self._of(range(generation))}.values())
        return breed(generation, earlier, self._merits(range(generation)))

    def _of(self, generations: range) -> list[Row]:
        rows = [row for row in self._rows.values() if row["generation"] in generations]
        return sorted(rows, key=lambda row: (row["generation"], row["key"]))

    def _merits(self, generations: range = range(1_000_000)) -> dict[str, float]:
        """Return the merit of every design whose first run completed."""
        return {
            row["key"]: merit(row["text_nats_per_byte"], row["recall_log_loss"])
            for row in self._of(generations)
            if (row["rung"], row["seed"]) == ("nano", 0) and not row["failed"]
        }

    def _train(self, trials: Sequence[TableRun], what: str) -> None:
        missing = [trial for trial in trials if trial.id not in self._rows]
        with ProcessPoolExecutor(self._processes) as pool:
            jobs = [pool.submit(train, *_job(trial)) for trial in missing]
            for number, (trial, job) in enumerate(zip(missing, jobs, strict=True), 1):
                row = row_of(trial, corpus_of(trial.rung).sha256, *job.result())
                self._rows[trial.id] = row
                append(self._lines, row)
                print(f"{what}: {number} of {len(missing)}", file=sys.stderr, flush=True)


def _job(trial: TableRun) -> tuple[str, str, str, int]:
    """Return what a process needs of a trial, in values that can be sent to it."""
    return run_id(trial.member.key, 0), render(trial.member.design).source, trial.rung, trial.seed


def _counts(row: Row) -> bool:
    """Return whether a row is one that the plan asks for."""
    is_planned = row["source"] == PLAN and row["corpus"] == LAB_TEXTS[row["rung"]]
    return is_planned and not row["failed"].startswith(TRANSIENT)


def main() -> None:
    """Make or pack the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--generations", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--lines", type=Path, default=LINES)
    parser.add_argument("--pack", action="store_true")
    options = parser.parse_args()
    rows = [*read_table(), *read_lines(options.lines)]
    if options.pack:
        pack(rows)
        options.lines.unlink(missing_ok=True)
        return
    try:
        Maker(rows, options.lines, options.processes).make(options.generations)
    except ValueError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
