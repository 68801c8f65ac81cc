"""Whether a cheap experiment tells the truth: `make bench-fidelity` prints JSON.

The human baselines and seeded designs are tried at two rungs with several seeds each, in the jail, scored as in a lab.
Printed are the rank correlations between the rungs, the spread of designs against the noise of seeds, and the order of
the baselines, for every task and for the measured half of the fitness (without the judge, which is the same at every
rung and would only raise the correlation).

    python -m benchmarks.fidelity run runs.jsonl [--rungs nano micro] [--shard 0/2]
    python -m benchmarks.fidelity report runs.jsonl

A run takes up where a file of runs stops; shards may write to one file at the same time.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.analysis.fitness import benchmark_part, loss_part
from agents.design import BASELINES, draw_design, render
from benchmarks.rank_statistics import Numbers, agreement, spread_to_noise
from bus.vocabulary.events import Limits, RunRequested
from sandbox import Jail
from trainer import scales
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun, execute_run
from trainer.tasks.corpus import Corpus, load_corpus

Run = dict[str, Any]
PATIENCE = 10.0
"""Multiple of a rung's wall seconds that a run may take here: a machine at other work is no design's failure."""
MEASURES = ("recall", "text", "text at equal time", "fitness")


def designs(count: int) -> dict[str, str]:
    """Return the sources of the baselines and of `count` designs drawn from the whole grammar, by name."""
    drawn = {f"drawn-{n:02}": render(draw_design(random.Random(n))).source for n in range(count)}
    return {name: baseline.source for name, baseline in BASELINES.items()} | drawn


def attempt(name: str, source: str, seed: int, scale: scales.Scale, corpus: Corpus, jail: Jail, shard: int = 0) -> Run:
    """Try one design with one seed and return what is worth keeping of it."""
    limits = Limits(seconds=scale.seconds * PATIENCE, memory_mb=scale.memory_mb)
    asked = RunRequested(
        run=f"{name}-a0", attempt=0, source=source, scale=scale.name, seed=seed, limits=limits, shard=shard
    )
    trial = TrainingRun(asked, scale, corpus, jail, worker="bench")
    trained = execute_run(trial, lambda _: None, lambda _: None).trained
    about: Run = {"rung": scale.name, "design": name, "seed": seed}
    if trained.completed is None:
        return about | {"failed": trained.failed.reason if trained.failed else "unknown"}
    done = trained.completed
    curve = [[point.step, round(point.loss, 4)] for point in done.curve if point.task == "text"]
    told = {key: getattr(done, key) for key in ("recall", "val_loss", "bits_per_byte", "step_seconds", "seconds")}
    return about | told | {"curve": curve}


def collect(out: Path, rungs: list[str], count: int, seeds: int, shard: tuple[int, int], ladder: Path) -> None:
    """Try everything that `out` does not hold yet and belongs to this shard, and append it there."""
    known = {(run["rung"], run["design"], run["seed"]) for run in read(out)} if out.exists() else set()
    wanted = [(rung, name, seed) for rung in rungs for seed in range(seeds) for name in designs(count)]
    mine = [key for place, key in enumerate(wanted) if place % shard[1] == shard[0] and key not in known]
    sources, rows = designs(count), scales.ladder(ladder)
    with tempfile.TemporaryDirectory() as scratch, training_jail("bwrap", Path(scratch)) as jail:
        for rung, name, seed in mine:
            scale = rows[rung]
            run = attempt(name, sources[name], seed, scale, load_corpus(None, *scale.languages.values()), jail)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")


def read(path: Path) -> list[Run]:
    """Return the runs in a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def report(runs: list[Run]) -> dict[str, Any]:
    """Return every figure; the rung that was run first is the cheap one."""
    rungs = list(dict.fromkeys(run["rung"] for run in runs))
    failed = {(run["rung"], run["design"], run["seed"]): run["failed"] for run in runs if "failed" in run}
    done = {(run["rung"], run["design"], run["seed"]): run for run in runs if "failed" not in run}
    seeds = {rung: sorted({seed for r, _, seed in done if r == rung}) for rung in rungs}
    whole = [
        name
        for name in dict.fromkeys(run["design"] for run in runs)
        if all((rung, name, seed) in done for rung in rungs for seed in seeds[rung])
    ]
    tables = {
        rung: scores([[done[rung, name, seed] for seed in seeds[rung]] for name in whole], whole) for rung in rungs
    }
    told: dict[str, Any] = {"failed": sorted({f"{r} {name}: {why}" for (r, name, _), why in failed.items()})}
    for rung, table in tables.items():
        told[rung] = {measure: spread_to_noise(table[measure]) for measure in MEASURES}
        told[rung]["seconds"] = round(
            float(np.median([run["seconds"] for run in done.values() if run["rung"] == rung])), 1
        )
        told[rung]["baselines"] = dict(_baselines(table, whole))
    if len(rungs) > 1:
        cheap, dear = tables[rungs[0]], tables[rungs[1]]
        told["between rungs"] = {m: agreement(cheap[m].mean(axis=1), dear[m].mean(axis=1)) for m in MEASURES}
    return told


def scores(runs: list[list[Run]], names: list[str]) -> dict[str, Numbers]:
    """Return every measure, the higher the better, from runs [designs][seeds]."""
    recall = np.array([[run["recall"] for run in row] for row in runs])
    loss = np.array([[run["val_loss"] for run in row] for row in runs])
    human = [place for place, name in enumerate(names) if name in BASELINES]
    mean_loss, mean_recall = loss[human].mean(axis=0), recall[human].mean(axis=0)  # [seeds]
    fitness = [
        [(loss_part(x, m) + benchmark_part(r, n)) / 2 for x, r, m, n in zip(a, b, mean_loss, mean_recall, strict=True)]
        for a, b in zip(loss, recall, strict=True)
    ]
    quickest = min(run["step_seconds"] * run["curve"][-1][0] for row in runs for run in row)
    timed = [[-_loss_at(run, quickest) for run in row] for row in runs]
    return dict(zip(MEASURES, (recall, -loss, np.array(timed), np.array(fitness)), strict=True))


def _loss_at(run: Run, seconds: float) -> float:
    """Return the training loss on text, smoothed over three readings, after so many CPU seconds of steps."""
    reached = [loss for step, loss in run["curve"] if step * run["step_seconds"] <= seconds * 1.001]
    return float(np.mean(reached[-3:] or [run["curve"][0][1]]))


def _baselines(table: dict[str, Numbers], names: list[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the human designs' means."""
    for place, name in enumerate(names):
        if name in BASELINES:
            yield name, {measure: round(float(table[measure][place].mean()), 3) for measure in MEASURES}


def main() -> None:
    """Collect or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rungs", nargs="*", default=["nano", "micro"])
    parser.add_argument("--designs", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shard", default="0/1", help="which part of the work, as part/parts")
    parser.add_argument("--ladder", type=Path, default=scales.LADDER, help="another file of scales")
    chosen = parser.parse_args()
    part, parts = map(int, chosen.shard.split("/"))
    if chosen.action == "run":
        collect(chosen.out, chosen.rungs, chosen.designs, chosen.seeds, (part, parts), chosen.ladder)
    print(json.dumps(report(read(chosen.out)), indent=1))


if __name__ == "__main__":
    main()
