"""Train the table of mixers, generation by generation; it takes up where it stopped.

    python -m benchmarks.tables.make --generations 15 [--processes 2]
    python -m benchmarks.tables.make --pack

A generation is about 140 runs at nano and 10 at micro: 40 minutes of one core. Runs are those of a lab: in the jail,
examined, on the lab's default text. Rows go to a file of lines first; `--pack` puts them into the committed table. A
run that failed for lack of time or memory is made again by the next call.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from agents.design import render
from benchmarks.tables.plan import Member, TableRun, breed, merit, replications, screening
from benchmarks.tables.storage import FOLDER, Row, append, member_of, pack, read_lines, read_table, row_of
from bus.vocabulary.events import Limits, Metrics, RunRequested
from bus.wire.ids import run_id
from sandbox import Jail
from trainer import scales
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun, execute_run
from trainer.tasks.corpus import Corpus, load_corpus

LINES = FOLDER / "runs.jsonl"
"""Rows that are not packed yet."""
TIME_LIMIT_FACTOR = 10.0
"""Multiple of a rung's wall seconds that a run may take: a busy machine should not fail a design."""
TRANSIENT = ("timeout", "limit", "no_result", "crash")
"""Beginnings of reasons that say nothing about the design."""


@cache
def _jail() -> Jail:
    """Return this process's jail, which lives as long as the process."""
    stack = ExitStack()
    return stack.enter_context(training_jail("bwrap", Path(stack.enter_context(tempfile.TemporaryDirectory()))))


@cache
def _corpus() -> Corpus:
    rungs = scales.ladder()
    return load_corpus(None, *(task for rung in ("nano", "micro") for task in rungs[rung].text_tasks.values()))


def train(run: str, source: str, rung: str, seed: int) -> tuple[Metrics | None, str]:
    """Train a source as a lab's trainer does; return its metrics, or None and the reason of the failure."""
    scale = scales.ladder()[rung]
    limits = Limits(seconds=scale.seconds * TIME_LIMIT_FACTOR, memory_mb=scale.memory_mb)
    request = RunRequested(run=run, attempt=0, source=source, scale=rung, seed=seed, limits=limits)
    ended = execute_run(TrainingRun(request, scale, _corpus(), _jail(), worker="table"), lambda _: None, lambda _: None)
    completed, failed = ended.trained.completed, ended.trained.failed
    if completed:
        return completed.metrics, ""
    return None, failed.reason if failed else "unknown"


class Maker:
    """The rows so far, and the file that takes new ones."""

    def __init__(self, rows: Iterable[Row], lines: Path, processes: int) -> None:
        """Continue from rows, with so many runs at a time. Raises ValueError if they were made on another text."""
        self._rows = {(row["key"], row["rung"], row["seed"]): row for row in rows if not _is_transient(row)}
        self._lines, self._processes = lines, processes
        others = {row["corpus"] for row in self._rows.values()} - {_corpus().sha256[:16]}
        if others:
            raise ValueError(
                f"the table was made on text {min(others)}, and this Python's standard library is another one; "
                "hint: use the Python version that the data card names"
            )

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
                row = row_of(trial, _corpus().sha256, *job.result())
                self._rows[trial.id] = row
                append(self._lines, row)
                print(f"{what}: {number} of {len(missing)}", file=sys.stderr, flush=True)


def _job(trial: TableRun) -> tuple[str, str, str, int]:
    """Return what a process needs of a trial, in values that can be sent to it."""
    return run_id(trial.member.key, 0), render(trial.member.design).source, trial.rung, trial.seed


def _is_transient(row: Row) -> bool:
    return row["failed"].startswith(TRANSIENT)


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
        pack(list({(row["key"], row["rung"], row["seed"]): row for row in rows}.values()))
        options.lines.unlink(missing_ok=True)
        return
    try:
        Maker(rows, options.lines, options.processes).make(options.generations)
    except ValueError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
