"""Search policies compared on tables: those of published searches, and the lab's own.

    python -m benchmarks.policies --tables FOLDER [--policies a,b] [--only TABLE,...] [--runs N] [--queries 200]
    python -m benchmarks.policies --only mixers-simulated --reference mutate_best

Each run is a whole campaign (`benchmarks.policies.campaign`): the lab's director, researcher, analyst, log and memory,
with the table in the trainer's place. Prints, per table and policy, the test regret of the design with the best
validation value after a quarter, a half and all of the queries: the mean over runs with its interval, and the mean
difference to a reference policy on the same seeds with its interval. Last comes what the lab's test of claims
(`agents.analysis.evidence`) says of less regret after all queries: 1 is no evidence, 20 confirms at a level of 5 %.
With `--match random --match-queries 300` also how many times fewer queries a policy takes to the mean regret that
random draws have after 300; 0 if it does not get there. With `--judge validation` regret is what a search can lower:
the best validation value that it has seen, less the best of the table. All intervals are 95 % of a bootstrap over runs.
`optuna-tpe` among the policies is Optuna's TPE without the lab (extra `bench`); `surrogate:children=64:leaning=4` is a
policy with a parameter of its own and a setting of the researcher. A table whose file or package is absent is skipped
with a line on stderr. The same arguments print the same table, except for the seconds.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean

import numpy as np

from agents.search import policies
from benchmarks.policies import outside
from benchmarks.policies.compare import Numbers, evidence_for, interval, times_fewer
from benchmarks.policies.runs import LOADERS, PolicyRun, collect, load
from benchmarks.policies.table import Contender, PublishedTable


def marks(queries: int) -> tuple[int, ...]:
    """Return the numbers of queries after which a search is judged."""
    return max(1, queries // 4), max(1, queries // 2), queries


def rows(name: str, options: argparse.Namespace, chosen: Sequence[str]) -> Iterator[str]:
    """Yield a line for each policy on a table."""
    seeds = range(options.first_seed, options.first_seed + options.runs)
    jobs = {policy: [PolicyRun(name, policy, seed, options.queries) for seed in seeds] for policy in chosen}
    far = [PolicyRun(name, options.match, seed, options.match_queries) for seed in seeds] * bool(options.match)
    done = collect([*chain(*jobs.values()), *far], options.tables, options.out, options.jobs)
    slow = np.array([done[one].judged_by(options.judge) for one in far])
    courses: dict[str, Numbers] = {
        policy: np.array([done[one].judged_by(options.judge) for one in own]) for policy, own in jobs.items()
    }
    seconds = {policy: fmean(done[one].seconds for one in own) for policy, own in jobs.items()}
    at = [mark - 1 for mark in marks(options.queries)]
    for policy, course in courses.items():
        cells = [_cell(*interval(column)) for column in course[:, at].T]
        reference = courses.get(options.reference)
        if policy == options.reference or reference is None:
            cells += ["–"] * (1 + len(at))
        else:
            cells += [_cell(*interval(column), sign="+") for column in (course - reference)[:, at].T]
            cells.append(evidence_for(course[:, -1], reference[:, -1]))
        cells += [_cell(*times_fewer(course, slow))] if options.match else []
        yield f"| {name} | {policy} | {' | '.join(cells)} | {seconds[policy]:.1f} |"


def _cell(mean: float, low: float, high: float, sign: str = "") -> str:
    return f"{mean:{sign}.4g} [{low:{sign}.4g}, {high:{sign}.4g}]"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=Path(), help="folder of the tables' files")
    parser.add_argument("--only", default=",".join(LOADERS), help="tables")
    parser.add_argument("--policies", default=",".join(policies()), help="search policies, or optuna-tpe")
    parser.add_argument("--reference", default="aging", help="policy that the others are compared with")
    parser.add_argument("--judge", choices=("test", "validation"), default="test", help="which values regret is of")
    parser.add_argument("--runs", type=int, default=50, help="runs of each policy, each with the next seed")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first run: settings need fresh ones")
    parser.add_argument("--queries", type=int, default=200, help="designs that a run evaluates")
    parser.add_argument("--match", default="", help="policy whose last regret the others are to reach")
    parser.add_argument("--match-queries", type=int, default=300, help="designs that a run of it evaluates")
    parser.add_argument("--out", type=Path, help="file that keeps the runs; those that it holds are not repeated")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    tables, chosen = options.only.split(","), options.policies.split(",")
    if unknown := {*tables} - {*LOADERS}:
        print(f"unknown: {', '.join(sorted(unknown))}; tables: {', '.join(LOADERS)}", file=sys.stderr)
        return 2
    try:
        for one in (*chosen, *[options.match] * bool(options.match)):
            _ = one == outside.NAME or Contender.parse(one)
    except ValueError as error:
        print(f"{error}; or {outside.NAME}", file=sys.stderr)
        return 2
    print("| table | policy |", " | ".join(f"regret at {mark}" for mark in marks(options.queries)), end=" | ")
    print(" | ".join(f"to {options.reference} at {mark}" for mark in marks(options.queries)), end=" | ")
    print(f"evidence against {options.reference}", end=" | ")
    matched = [f"times fewer than {options.match} after {options.match_queries}"] * bool(options.match)
    print(" | ".join([*matched, "CPU s per run"]), "|")
    print(f"|{' --- |' * (10 + len(matched))}")
    for name in tables:
        try:
            load(name, options.tables)
        except (OSError, ImportError) as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            continue
        able = [one for one in chosen if one != outside.NAME or isinstance(load(name, options.tables), PublishedTable)]
        for row in rows(name, options, able):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
