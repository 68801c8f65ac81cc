"""Add the runs of campaigns to the table: `python -m benchmarks.tables.from_log LOG…`.

A LOG is what `move37 export-log` wrote. A campaign trains on the lab's text with the lab's trainer, so its runs are
worth as much as the plan's. That is checked, not believed: the run of a baseline is repeated here, and a log whose
figure comes out otherwise is refused. It catches another text, other scales, another trainer and another seed. A log
whose runs are all in the table is left alone. Runs on sealed text are added too; the column `part` tells them apart.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.tables.logged import CampaignRun, logged_campaigns
from benchmarks.tables.storage import TABLE, Row, pack, read_table, row_of, run_key
from benchmarks.tables.training import corpus_of, train
from bus.vocabulary.events import Metrics
from lab.errors import LabError
from lab.operations.replay import read_history

TOLERANCE = 0.005
"""Nats per byte by which a repeated loss may differ, for machines round differently: a third of the noise of a seed.
Another text of the same kind makes a difference of 0.017 to 0.033."""
LOG_SUFFIXES = (".jsonl.gz", ".jsonl")

Train = Callable[[str, str, str, int], tuple[Metrics | None, str]]


def rows_of(runs: Iterable[CampaignRun]) -> list[Row]:
    """Return the rows of a campaign's runs. Raises ValueError if this machine's text is not the table's."""
    return [row_of(run.trial, corpus_of(run.trial.rung).sha256, run.metrics, run.failed, run.made) for run in runs]


def refuse_other_measures(runs: Sequence[CampaignRun], train: Train = train) -> str:
    """Repeat a baseline's screening run and return what was compared. Raises ValueError if it comes out otherwise."""
    baselines = (one for one in runs if one.trial.member.stratum == "baseline" and one.made.part == "validation")
    run = next((one for one in baselines if one.metrics), None)
    if run is None or run.metrics is None:
        raise ValueError("no baseline completed, so nothing tells what its runs measured")
    logged = run.metrics.val_loss
    metrics, failed = train(run.id, run.source, run.trial.rung, run.trial.seed)
    if metrics is None:
        raise ValueError(f"{run.id} has text loss {logged:.4f} in the log, and its repetition failed ({failed})")
    if abs(metrics.val_loss - logged) > TOLERANCE:
        raise ValueError(
            f"{run.id} has text loss {logged:.4f} in the log, and {metrics.val_loss:.4f} when it is repeated: the "
            "campaign had another text, other scales or another trainer"
        )
    return f"{run.id} repeated: text loss {logged:.4f}, {metrics.val_loss - logged:+.1g}"


def add(log: Path, table: Path) -> None:
    """Add a log's campaigns to a table and print what became of each. Raises LabError or ValueError."""
    stem = next((log.name.removesuffix(end) for end in LOG_SUFFIXES if log.name.endswith(end)), log.name)
    campaigns = logged_campaigns(stem, read_history(log))
    if not campaigns:
        raise ValueError("it holds no campaign")
    for name, runs in campaigns.items():
        known = read_table(table)
        taken = {run_key(row) for row in known}
        new = [row for row in rows_of(runs) if run_key(row) not in taken]
        if new:
            print(f"{name}: {refuse_other_measures(runs)}")
            pack([*known, *new], table)
        designs = {row["key"] for row in new} - {row["key"] for row in known}
        print(f"{name}: {len(runs)} runs, {len(new)} new, of {len(designs)} new designs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Add logs to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG")
    parser.add_argument("--table", type=Path, default=TABLE, help="table to add to")
    options = parser.parse_args(arguments)
    for log in options.logs:
        try:
            add(log, options.table)
        except (LabError, ValueError) as error:
            print(f"{log}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
