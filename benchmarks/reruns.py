"""Losses of honest designs in second runs: `python -m benchmarks.reruns run FILE`, or `report FILE`.

The thresholds of quarantine (`agents/analysis/quarantine.py`) follow from two ratios of losses on text. One divides an
honest design's loss by the best baseline's. The other divides its loss on another seed and another shard of the data by
its first loss. The report covers every design and every pair of a first and a second run. `run` skips the runs that
FILE has already.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from agents.design import BASELINES
from benchmarks.fidelity import RunRecord, designs, read, run_design
from trainer import scales
from trainer.run.jail import training_jail
from trainer.tasks.corpus import load_corpus

SHARDS = (0, 1)

Losses = dict[tuple[str, int, int], float]
"""Validation losses by (design, seed, shard); shard 0 is the first run."""


def collect(out: Path, rung: str, count: int, seeds: int) -> None:
    """Run each design on each seed and both shards, unless `out` holds the run, and append the records."""
    existing = {(run["design"], run["seed"], run["shard"]) for run in read(out)} if out.exists() else set()
    scale, sources = scales.load(rung), designs(count)
    corpus = load_corpus(None, *scale.text_tasks.values())
    keys = [(name, seed, shard) for seed in range(seeds) for name in sources for shard in SHARDS]
    with tempfile.TemporaryDirectory() as scratch, training_jail("bwrap", Path(scratch)) as jail:
        for name, seed, shard in keys:
            if (name, seed, shard) not in existing:
                # The second run has another seed than the first.
                run = run_design(name, sources[name], seed + 1000 * shard, scale, corpus, jail, shard)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run | {"seed": seed, "shard": shard}) + "\n")


def report(runs: list[RunRecord]) -> dict[str, Any]:
    """Return the lowest ratio to the best baseline's loss, and the ratios of second losses to first ones."""
    losses = {(run["design"], run["seed"], run["shard"]): run["val_loss"] for run in runs if "failed" not in run}
    to_best, to_first = _ratios_to_best(losses), _ratios_to_first(losses)
    return {
        "runs": len(losses),
        "failed": sorted({f"{run['design']}: {run['failed']}" for run in runs if "failed" in run}),
        "loss to the best baseline's, lowest": round(min(to_best), 3),
        "second loss to first": {
            "pairs": len(to_first),
            "lowest": round(min(to_first), 3),
            "mean": round(fmean(to_first), 3),
            "highest": round(max(to_first), 3),
        },
    }


def _ratios_to_best(losses: Losses) -> list[float]:
    """Return the ratio of each first loss of a design that is no baseline to the best baseline's on the same seed."""
    first_runs = [key for key in losses if not key[2]]
    best = {
        seed: min(loss for (name, s, shard), loss in losses.items() if name in BASELINES and s == seed and not shard)
        for seed in {seed for _, seed, _ in first_runs}
    }
    return [losses[key] / best[key[1]] for key in first_runs if key[0] not in BASELINES]


def _ratios_to_first(losses: Losses) -> list[float]:
    """Return the ratio of each second loss to each first loss of the same design."""
    first_losses = [(design, loss) for (design, _, shard), loss in losses.items() if not shard]
    return [
        loss / first_loss
        for (design, _, shard), loss in losses.items()
        if shard
        for other_design, first_loss in first_losses
        if other_design == design
    ]


def main() -> None:
    """Collect runs if the action is `run`, then print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rung", default="nano")
    parser.add_argument("--designs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if options.action == "run":
        collect(options.out, options.rung, options.designs, options.seeds)
    print(json.dumps(report(read(options.out)), indent=1))


if __name__ == "__main__":
    main()
