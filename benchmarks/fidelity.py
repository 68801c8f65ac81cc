"""Whether a cheap experiment predicts a costly one: `make bench-fidelity` prints JSON.

The human baselines and seeded designs run at two rungs with several seeds each, in the jail, scored as in a lab. The
report has the rank correlations between the rungs, the spread of designs against the noise of seeds, and the order of
the baselines. It has them for every task and for the measured half of the fitness. The judge is left out: its part is
the same at every rung and would only raise the correlation.

    python -m benchmarks.fidelity run runs.jsonl [--rungs nano micro] [--shard 0/2]
    python -m benchmarks.fidelity report runs.jsonl

`run` skips the runs that the file already holds. Shards may write to one file at the same time.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.analysis.evidence.rank_statistics import Numbers, agreement, spread_to_noise
from agents.analysis.fitness import benchmark_part, loss_part
from agents.design import BASELINES, draw_design, render
from bus.vocabulary.events import Limits, RunRequested
from sandbox import Jail
from trainer import scales
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun, execute_run
from trainer.tasks.corpus import Corpus, load_corpus

RunRecord = dict[str, Any]
"""The result of one run, as a line of the file."""
TIME_LIMIT_FACTOR = 10.0
"""Multiple of a rung's wall seconds that a run may take: a busy machine should not fail a design."""
MEASURES = ("recall", "text", "text at equal time", "fitness")


def designs(count: int) -> dict[str, str]:
    """Return the sources of the baselines and of `count` designs drawn from the whole grammar, by name."""
    samples = {f"drawn-{n:02}": render(draw_design(random.Random(n))).source for n in range(count)}
    return {name: baseline.source for name, baseline in BASELINES.items()} | samples


def run_design(
    name: str, source: str, seed: int, scale: scales.Scale, corpus: Corpus, jail: Jail, shard: int = 0
) -> RunRecord:
    """Run one design with one seed and return its record, which has the reason if the run failed."""
    limits = Limits(seconds=scale.seconds * TIME_LIMIT_FACTOR, memory_mb=scale.memory_mb)
    request = RunRequested(
        run=f"{name}-a0", attempt=0, source=source, scale=scale.name, seed=seed, limits=limits, shard=shard
    )
    run = TrainingRun(request, scale, corpus, jail, worker="bench")
    trained = execute_run(run, lambda _: None, lambda _: None).trained
    record: RunRecord = {"rung": scale.name, "design": name, "seed": seed}
    if trained.completed is None:
        return record | {"failed": trained.failed.reason if trained.failed else "unknown"}
    result = trained.completed
    curve = [[point.step, round(point.loss, 4)] for point in result.metrics.curve if point.task == "text"]
    figures = result.metrics.figures()
    scores = {key: figures[key] for key in ("recall", "val_loss", "bits_per_byte", "step_seconds", "seconds")}
    return record | scores | {"curve": curve}


def collect(out: Path, rungs: list[str], count: int, seeds: int, shard: tuple[int, int], ladder: Path) -> None:
    """Do the runs of this shard (part, parts) that `out` does not hold yet, and append their records."""
    existing = {(run["rung"], run["design"], run["seed"]) for run in read(out)} if out.exists() else set()
    sources, ladder_scales = designs(count), scales.ladder(ladder)
    keys = [(rung, seed, name) for rung in rungs for seed in range(seeds) for name in sources]
    part, parts = shard
    with tempfile.TemporaryDirectory() as scratch, training_jail("bwrap", Path(scratch)) as jail:
        for rung, seed, name in keys[part::parts]:
            if (rung, name, seed) in existing:
                continue
            scale = ladder_scales[rung]
            run = run_design(name, sources[name], seed, scale, load_corpus(None, *scale.text_tasks.values()), jail)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")


def read(path: Path) -> list[RunRecord]:
    """Return the records in a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def report(runs: list[RunRecord]) -> dict[str, Any]:
    """Return all figures; the rung of the first record is the cheap one."""
    rungs = list(dict.fromkeys(run["rung"] for run in runs))
    failures = {f"{run['rung']} {run['design']}: {run['failed']}" for run in runs if "failed" in run}
    completed = {(run["rung"], run["design"], run["seed"]): run for run in runs if "failed" not in run}
    names, tables = _tables(runs, rungs, completed)
    figures: dict[str, Any] = {"failed": sorted(failures)}
    for rung, table in tables.items():
        seconds = np.median([run["seconds"] for run in completed.values() if run["rung"] == rung])
        figures[rung] = {measure: spread_to_noise(table[measure]) for measure in MEASURES}
        figures[rung] |= {"seconds": round(float(seconds), 1), "baselines": dict(_baselines(table, names))}
    if len(rungs) > 1:
        cheap, costly = tables[rungs[0]], tables[rungs[1]]
        figures["between rungs"] = {m: agreement(cheap[m].mean(axis=1), costly[m].mean(axis=1)) for m in MEASURES}
    return figures


def _tables(
    runs: list[RunRecord], rungs: list[str], completed: dict[tuple[str, str, int], RunRecord]
) -> tuple[list[str], dict[str, dict[str, Numbers]]]:
    """Return the designs whose runs all completed, and for each rung their scores."""
    seeds = {rung: sorted({seed for r, _, seed in completed if r == rung}) for rung in rungs}
    names = [
        name
        for name in dict.fromkeys(run["design"] for run in runs)
        if all((rung, name, seed) in completed for rung in rungs for seed in seeds[rung])
    ]
    records = {rung: [[completed[rung, name, seed] for seed in seeds[rung]] for name in names] for rung in rungs}
    return names, {rung: scores(rows, names) for rung, rows in records.items()}


def scores(runs: list[list[RunRecord]], names: list[str]) -> dict[str, Numbers]:
    """Return every measure [designs, seeds], the higher the better, from runs [designs][seeds]."""
    recall = np.array([[run["recall"] for run in row] for row in runs])
    loss = np.array([[run["val_loss"] for run in row] for row in runs])
    baselines = [index for index, name in enumerate(names) if name in BASELINES]
    mean_loss, mean_recall = loss[baselines].mean(axis=0), recall[baselines].mean(axis=0)  # [seeds]
    fitness = [
        [(loss_part(x, m) + benchmark_part(r, n)) / 2 for x, r, m, n in zip(a, b, mean_loss, mean_recall, strict=True)]
        for a, b in zip(loss, recall, strict=True)
    ]
    quickest = min(run["step_seconds"] * run["curve"][-1][0] for row in runs for run in row)
    at_equal_time = [[-_loss_at(run, quickest) for run in row] for row in runs]
    return dict(zip(MEASURES, (recall, -loss, np.array(at_equal_time), np.array(fitness)), strict=True))


def _loss_at(run: RunRecord, seconds: float) -> float:
    """Return the training loss on text after these CPU seconds of steps, smoothed over three readings."""
    losses = [loss for step, loss in run["curve"] if step * run["step_seconds"] <= seconds * 1.001]
    return float(np.mean(losses[-3:] or [run["curve"][0][1]]))


def _baselines(table: dict[str, Numbers], names: list[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the means of each baseline, by measure."""
    for index, name in enumerate(names):
        if name in BASELINES:
            yield name, {measure: round(float(table[measure][index].mean()), 3) for measure in MEASURES}


def main() -> None:
    """Collect runs if the action is `run`, then print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rungs", nargs="*", default=["nano", "micro"])
    parser.add_argument("--designs", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shard", default="0/1", help="which part of the work, as part/parts")
    parser.add_argument("--ladder", type=Path, default=scales.LADDER, help="another file of scales")
    options = parser.parse_args()
    part, parts = map(int, options.shard.split("/"))
    if options.action == "run":
        collect(options.out, options.rungs, options.designs, options.seeds, (part, parts), options.ladder)
    print(json.dumps(report(read(options.out)), indent=1))


if __name__ == "__main__":
    main()
