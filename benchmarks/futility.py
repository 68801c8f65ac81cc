"""Whether a run that will not reach the pool can be ended early: rules on recorded curves.

    python -m benchmarks.futility [--tables FOLDER] [--orders 20]
    python -m benchmarks.futility --logs LOG ...

Prints one line per rule and set of curves: the share of the steps that were made, and the share of the best runs that
the rule ended. A rule is good enough if it ends at most 1 % of the best at 40 % of the steps or less. The curves are
those of the plan's runs in the table of mixers, and with `--tables` those of NAS-Bench-NLP (2006.07116).

With `--logs` they are the first runs of campaigns' designs, in the order in which they ended. The runs of the tables
are replayed in random orders: they come from no search, whose later designs are better and more alike. A rule sees a
curve up to a reading, and of the runs that came before what was seen of them; so it never knows more than a trainer
would.
"""

import argparse
import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.tables import mixers
from benchmarks.tables.storage import EARLIER_TEXTS
from bus.vocabulary.events import Metrics, RunCompleted
from bus.wire.ids import BASELINE_PREFIX, parse_run_id
from lab.exported_log import read_events

Curves = NDArray[np.float64]
Rule = Callable[[Curves, Curves], bool]
"""Receives the readings so far [t] and the curves of earlier runs [runs, T], NaN after their end; tells whether the run
ends."""
BEST_SHARE = 0.1
"""The best runs are those with a final loss in this lowest share."""
WARM_UP = 20
"""Runs that are completed before a rule may end any."""
POOL = 10
"""Best runs that a new one has to reach."""
SMOOTHING = 3
"""Readings whose mean stands for the loss at a time."""
NLP_EPOCHS = 50


@dataclass(frozen=True)
class CurveSet:
    """Recorded curves of one kind."""

    name: str
    curves: Curves
    """[runs, readings]: what a rule may see."""
    final: Curves
    """[runs]: the loss that counts, held out."""
    is_search: bool = False
    """Whether the runs are in the order of a search."""

    def orders(self, count: int) -> list[NDArray[np.int64]]:
        """Return the orders in which the runs are replayed."""
        runs = len(self.curves)
        return (
            [np.arange(runs)] if self.is_search else [np.random.default_rng(n).permutation(runs) for n in range(count)]
        )


def at(curves: Curves, reading: int) -> Curves:
    """Return the smoothed loss of curves [..., T] after so many readings."""
    return curves[..., max(0, reading - SMOOTHING) : reading].mean(axis=-1)


def quantile_rule(quantile: float, share: float) -> Rule:
    """Return the rule that goes on with the best quantile of the runs, once, at a share of the steps."""

    def rule(seen: Curves, earlier: Curves) -> bool:
        if len(seen) != round(share * earlier.shape[1]):
            return False
        others = at(earlier, len(seen))
        return bool(at(seen, len(seen)) > np.quantile(others[np.isfinite(others)], quantile))

    return rule


def extrapolation_rule(share: float, chance: float) -> Rule:
    """Return the rule that ends a run whose chance to reach the pool is small, from a share of the steps on.

    The last reading is regressed on the present one over the earlier runs; the residuals are taken as normal.
    """

    def rule(seen: Curves, earlier: Curves) -> bool:
        if len(seen) < share * earlier.shape[1] or len(seen) == earlier.shape[1]:
            return False
        whole = earlier[np.isfinite(earlier[:, -1])]
        before, after = at(whole, len(seen)), at(whole, earlier.shape[1])
        slope, intercept = np.polyfit(before, after, 1)
        residual = np.std(after - slope * before - intercept, ddof=2)
        pool = np.sort(after)[: min(POOL, len(after))][-1]
        expected = slope * at(seen, len(seen)) + intercept
        return bool(stats.norm.cdf(pool, expected, max(residual, 1e-9)) < chance)

    return rule


RULES: dict[str, Rule] = {
    "best half at 12.5 %": quantile_rule(0.5, 0.125),
    "best half at 25 %": quantile_rule(0.5, 0.25),
    "best three quarters at 25 %": quantile_rule(0.75, 0.25),
    "best half at 50 %": quantile_rule(0.5, 0.5),
    "best third at 25 %": quantile_rule(1 / 3, 0.25),
    "best third at 50 %": quantile_rule(1 / 3, 0.5),
    "extrapolation, chance < 1 %": extrapolation_rule(0.15, 0.01),
    "extrapolation, chance < 5 %": extrapolation_rule(0.15, 0.05),
    "extrapolation, chance < 20 %": extrapolation_rule(0.15, 0.2),
}


def replay(rule: Rule, runs: CurveSet, order: NDArray[np.int64]) -> tuple[float, float]:
    """Return the share of the steps made after the warm-up, and the share of the best runs that were ended."""
    best = runs.final <= np.quantile(runs.final, BEST_SHARE)
    seen, steps, ended = runs.curves[order].copy(), [], []
    for number, run in enumerate(order[WARM_UP:], WARM_UP):
        curve = runs.curves[run]
        made = next((t for t in range(1, len(curve)) if rule(curve[:t], seen[:number])), len(curve))
        seen[number, made:] = np.nan
        steps.append(made / len(curve))
        ended.append(made < len(curve))
    return fmean(steps), float(np.mean(np.array(ended)[best[order[WARM_UP:]]]))


def nlp_curves(path: Path) -> CurveSet:
    """Return the validation curves of NAS-Bench-NLP, judged by the last epoch's test loss."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curves = np.array([[float(row[f"val_{epoch}"] or "nan") for epoch in range(1, NLP_EPOCHS + 1)] for row in rows])
    final = np.array([float(row[f"test_{NLP_EPOCHS}"] or "nan") for row in rows])
    whole = np.isfinite(curves).all(axis=1) & np.isfinite(final)
    return CurveSet("NAS-Bench-NLP", curves[whole], final[whole])


def own_curves() -> CurveSet:
    """Return the text curves of the table of mixers at nano, judged by the held-out loss."""
    table = mixers.load(texts=EARLIER_TEXTS)
    final = np.array([row[mixers.TEXT] for row in table.rows if row["rung"] == mixers.SCREENING])
    return CurveSet("mixers at nano", table.curves("text"), final)


def searched_curves(log: Path) -> CurveSet:
    """Return the text curves of a campaign's designs in the order in which their first runs ended. Raises LabError."""
    ends = [(one.experiment, one.event) for one in read_events(log) if isinstance(one.event, RunCompleted)]
    runs = [end.metrics for experiment, end in ends if _is_first(experiment, end)]
    curves = np.array([_text_curve(run) for run in runs])
    return CurveSet(log.name, curves, np.array([run.val_loss for run in runs]), is_search=True)


def _is_first(experiment: str, end: RunCompleted) -> bool:
    return not experiment.startswith(BASELINE_PREFIX) and parse_run_id(end.run).shard == 0


def _text_curve(run: Metrics) -> list[float]:
    return [point.loss for point in run.curve if point.task == run.text_task]


def _groups(folder: Path | None, logs: Sequence[Path]) -> Iterator[tuple[str, list[CurveSet]]]:
    """Yield sets of curves whose mean is one line, by their name."""
    if logs:
        yield "campaigns", [searched_curves(log) for log in logs]
        return
    yield "mixers at nano", [own_curves()]
    if folder:
        yield "NAS-Bench-NLP", [nlp_curves(folder / "nas-bench-nlp-wikitext2.csv.gz")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder with the curves of NAS-Bench-NLP")
    parser.add_argument("--logs", type=Path, nargs="+", default=[], help="campaigns' logs, instead of the tables")
    parser.add_argument("--orders", type=int, default=20, help="random orders of the runs")
    options = parser.parse_args()
    print("| curves | runs | rule | steps made | best runs lost | good enough |\n| --- | --- | --- | --- | --- | --- |")
    for name, sets in _groups(options.tables, options.logs):
        runs = sum(len(one.curves) for one in sets)
        replays = [(one, order) for one in sets for order in one.orders(options.orders)]
        for words, rule in RULES.items():
            steps, lost = np.mean([replay(rule, *each) for each in replays], axis=0)
            verdict = "yes" if steps <= 0.4 and lost <= 0.01 else "no"
            print(f"| {name} | {runs} | {words} | {steps:.0%} | {lost:.1%} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
