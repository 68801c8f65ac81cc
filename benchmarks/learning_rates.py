"""Which multiple of a rung's learning rates suits each baseline: `python -m benchmarks.learning_rates OUT.jsonl`.

Every human baseline, and each design of a campaign's log that is named, is trained at every rate on the same seeds and
scored on validation text, as a plan that tunes rates does. Prints a table: mean text loss in nats per byte at each
rate. `OUT.jsonl` keeps the runs; those that it holds already are not repeated.

    python -m benchmarks.learning_rates out.jsonl [--log LOG --experiments e0001] [--scale nano] [--rates 1 2 4]

`--baselines mamba2` takes some of the baselines alone.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from agents.design import HUMAN_DESIGNS, render
from benchmarks.kept_runs import KeptRun, PlannedTraining, collect
from lab.operations.ablate import campaign_in, design_in
from lab.operations.replay import read_history

RATES = (0.5, 1.0, 2.0, 4.0)


def sources(baselines: Sequence[str], log: Path | None, experiments: Sequence[str]) -> Mapping[str, str]:
    """Return the sources of baselines and of experiments of a log, by name. Raises LabError."""
    found = {name: HUMAN_DESIGNS[name].source for name in baselines}
    if log:
        history = read_history(log)
        campaign, _ = campaign_in(history)
        found |= {name: render(design_in(history, campaign, name)).source for name in experiments}
    return found


def table(runs: Sequence[KeptRun], names: Sequence[str], rates: Sequence[float]) -> Iterator[str]:
    """Yield the lines of a table of mean losses; a design that failed on a seed has none at that rate."""
    yield "| design | " + " | ".join(f"{rate:g}" for rate in rates) + " | best rate |"
    yield "| --- |" + " --- |" * (len(rates) + 1)
    for name in names:
        means = {rate: mean for rate in rates if (mean := _mean(runs, name, rate)) is not None}
        cells = [f"{means[rate]:.4f}" if rate in means else "failed" for rate in rates]
        best = f"{min(means, key=means.__getitem__):g}" if means else ""
        yield f"| {name} | {' | '.join(cells)} | {best} |"


def _mean(runs: Sequence[KeptRun], name: str, rate: float) -> float | None:
    losses = [run.loss for run in runs if (run.training.design, run.training.rate) == (name, rate)]
    scored = [loss for loss in losses if loss is not None]
    return fmean(scored) if len(scored) == len(losses) else None


def main() -> None:
    """Do the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--baselines", nargs="+", choices=HUMAN_DESIGNS, default=list(HUMAN_DESIGNS))
    parser.add_argument("--log", type=Path)
    parser.add_argument("--experiments", nargs="*", default=[])
    parser.add_argument("--scale", default="nano")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    options = parser.parse_args()
    texts = sources(options.baselines, options.log, options.experiments)
    trainings = [
        PlannedTraining(name, seed, rate, scale=options.scale)
        for seed in range(options.seeds)
        for rate in options.rates
        for name in texts
    ]
    runs = collect(options.out, texts, trainings)
    print("\n".join(table(runs, list(texts), options.rates)))


if __name__ == "__main__":
    main()
