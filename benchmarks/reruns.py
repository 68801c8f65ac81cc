"""What a second run of an honest design looks like: `python -m benchmarks.reruns run FILE`, then `report FILE`.

The thresholds of quarantine (`agents/analysis/quarantine.py`) rest on two ratios: of an honest design's text loss to
the best human one's, and of its loss on another seed and another shard of the data to its first. Both are printed over
every design and every pair of a first run and a second; runs already in FILE are kept.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from agents.design import BASELINES
from benchmarks.fidelity import Run, attempt, designs, read
from trainer import scales
from trainer.run.jail import training_jail
from trainer.tasks.corpus import load_corpus

SHARDS = (0, 1)


def collect(out: Path, rung: str, count: int, seeds: int) -> None:
    """Try everything that `out` does not hold yet: each design on each seed, on both shards."""
    known = {(run["design"], run["seed"], run["shard"]) for run in read(out)} if out.exists() else set()
    scale, sources = scales.load(rung), designs(count)
    corpus = load_corpus(None, *scale.languages.values())
    wanted = [(name, seed, shard) for seed in range(seeds) for name in sources for shard in SHARDS]
    with tempfile.TemporaryDirectory() as scratch, training_jail("bwrap", Path(scratch)) as jail:
        for name, seed, shard in wanted:
            if (name, seed, shard) not in known:
                # The second run's seed is another one than the first's.
                run = attempt(name, sources[name], seed + 1000 * shard, scale, corpus, jail, shard)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run | {"seed": seed, "shard": shard}) + "\n")


def report(runs: list[Run]) -> dict[str, Any]:
    """Return the lowest ratio to the best human design's loss, and how far second runs lie from first ones."""
    losses = {(run["design"], run["seed"], run["shard"]): run["val_loss"] for run in runs if "failed" not in run}
    firsts = [key for key in losses if not key[2]]
    best = {
        seed: min(loss for (name, s, shard), loss in losses.items() if name in BASELINES and s == seed and not shard)
        for seed in {seed for _, seed, _ in firsts}
    }
    to_best = [losses[key] / best[key[1]] for key in firsts if key[0] not in BASELINES]
    to_first = [
        second / losses[first]
        for (name, _, shard), second in losses.items()
        if shard
        for first in firsts
        if first[0] == name
    ]
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


def main() -> None:
    """Collect or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rung", default="nano")
    parser.add_argument("--designs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.action == "run":
        collect(chosen.out, chosen.rung, chosen.designs, chosen.seeds)
    print(json.dumps(report(read(chosen.out)), indent=1))


if __name__ == "__main__":
    main()
