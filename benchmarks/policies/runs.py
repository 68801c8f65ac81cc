"""Runs of policies on tables, in several processes and kept in a file; a stopped comparison goes on from there."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from agents.search.spaces import register
from benchmarks.kept_results import collect_results
from benchmarks.policies import outside
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.compare import regrets, search_regrets
from benchmarks.policies.mixers import MeasuredTable, MixerTable
from benchmarks.policies.table import Contender, PublishedTable, Table
from lab.researchers.published import PUBLISHED

OWN: dict[str, Callable[[], Table]] = {"mixers": MeasuredTable, "mixers-simulated": MixerTable}
LOADERS: dict[str, Callable[[Path], Table]] = {
    **{name: lambda _, make=make: make() for name, make in OWN.items()},
    **{name: lambda folder, read=read: PublishedTable(read(folder)) for name, read in PUBLISHED.items()},
}


@dataclass(frozen=True)
class PolicyRun:
    """A run of a policy on a table."""

    table: str
    policy: str
    seed: int
    queries: int


@dataclass(frozen=True)
class PolicyCourse:
    """What a run found."""

    run: PolicyRun
    regrets: tuple[float, ...]
    """Test regret of the design with the best validation value after each query."""
    search_regrets: tuple[float, ...]
    """By how much its validation value exceeds the best of the table."""
    seconds: float
    """CPU seconds of the run."""

    def judged_by(self, judge: str) -> tuple[float, ...]:
        """Return the regrets in `test` or in `validation`."""
        return self.regrets if judge == "test" else self.search_regrets


@cache
def load(name: str, folder: Path) -> Table:
    """Return a table, whose space the lab then knows. Raises OSError or ImportError if it is absent."""
    table = LOADERS[name](folder)
    register(table.space)
    return table


def collect(runs: Sequence[PolicyRun], folder: Path, out: Path | None, processes: int) -> dict[PolicyRun, PolicyCourse]:
    """Do the runs that `out` does not hold yet, append each as it ends, and return the courses of all.

    `folder` has the tables' files. Without `out` nothing is kept.
    """
    known = {course.run: course for course in (read(out) if out else ())}
    return collect_results(runs, known, partial(_course, folder), out, processes)


def read(out: Path) -> Iterator[PolicyCourse]:
    """Yield the courses that a file holds; none if there is no file."""
    for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else ():
        row = json.loads(line)
        yield PolicyCourse(PolicyRun(**row["run"]), tuple(row["regrets"]), tuple(row["search_regrets"]), row["seconds"])


def _course(folder: Path, run: PolicyRun) -> PolicyCourse:
    table, began = load(run.table, folder), time.process_time()
    if run.policy == outside.NAME:
        assert isinstance(table, PublishedTable), "main refuses it for other tables"
        evaluated = outside.search(table, run.seed, run.queries)
    else:
        evaluated = TableCampaign(table, Contender.parse(run.policy), run.seed, run.queries).run()
    marks = range(1, run.queries + 1)
    course, seen = (judge(table, evaluated, run.seed, marks) for judge in (regrets, search_regrets))
    return PolicyCourse(run, tuple(course), tuple(seen), time.process_time() - began)
