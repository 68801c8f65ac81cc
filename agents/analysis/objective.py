"""The search objective of an experiment: its gain over the best baseline in units of seed noise.

    objective = Σ weight · gain / Σ weight,   gain = (merit − best baseline's merit) / noise

It is measurement alone, and nothing squashes it: a gain counts the same wherever it lies. A measure's merit is its
value if more of it is better, else the value with its sign turned. Best is meant measure by measure, so that one
baseline may set the mark in text and another in recall. Several runs of one baseline are pooled first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean

from bus.vocabulary.events import Metrics, Objective, ObjectiveMeasure, ObjectiveParts
from bus.vocabulary.events.metrics import HIGHER_IS_BETTER
from bus.vocabulary.queries import Experiment

LOG = "log_"
"""Prefix of a measure that is the logarithm of another, for runs that report the other alone."""
SOLVED_LOSS = 0.05
"""Nats per answer below which a task is solved: there, a lower loss is no further gain in the logarithm."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What gains and costs are measured from."""

    merits: Mapping[str, float]
    """The best baseline's merit by task; a task that no baseline has is missing, and gains on it count from 0."""
    flops: float | None
    """Forward FLOPs per token of the costliest baseline."""


def merit(task: str, of: ObjectiveMeasure, metrics: Metrics) -> float | None:
    """Return a run's merit on a task, higher is better, in the measure's unit; None if it lacks the measure."""
    measures = metrics.tasks[task].measures if task in metrics.tasks else {}
    if of.measure in measures:
        value = measures[of.measure].value
    elif of.measure.startswith(LOG) and (name := of.measure.removeprefix(LOG)) in measures:
        value = log(max(measures[name].value, SOLVED_LOSS))
    else:
        return None
    return value if of.measure in HIGHER_IS_BETTER else -value


def mark(objective: Objective, baselines: Sequence[Experiment]) -> Mark:
    """Return the mark that completed baselines set; those of one name are runs of one design, and their mean counts."""
    runs: defaultdict[str, list[Metrics]] = defaultdict(list)
    for baseline in baselines:
        if baseline.metrics:
            runs[baseline.name or baseline.id].append(baseline.metrics)
    flops = [metrics.cost["flops_per_token"] for each in runs.values() for metrics in each if _flops(metrics)]
    merits = {task: _best(task, of, list(runs.values())) for task, of in objective.tasks.items()}
    return Mark({task: best for task, best in merits.items() if best is not None}, max(flops, default=None))


def _best(task: str, of: ObjectiveMeasure, baselines: Sequence[Sequence[Metrics]]) -> float | None:
    merits = ([merit(task, of, metrics) for metrics in runs] for runs in baselines)
    known = ([value for value in values if value is not None] for values in merits)
    return max((fmean(values) for values in known if values), default=None)


def _flops(metrics: Metrics) -> float | None:
    return metrics.cost.get("flops_per_token")


def gains(objective: Objective, metrics: Metrics, against: Mark) -> dict[str, float]:
    """Return a run's gain over the best baseline by task, in standard deviations of seed noise."""
    merits = {task: merit(task, of, metrics) for task, of in objective.tasks.items()}
    return {
        task: (value - against.merits.get(task, 0.0)) / objective.tasks[task].noise
        for task, value in merits.items()
        if value is not None
    }


def weighted_mean(objective: Objective, of: Mapping[str, float]) -> float:
    """Return the mean gain, weighted by the objective's weights; 0 if no task that counts has a gain."""
    weights = {task: objective.tasks[task].weight for task in of}
    total = sum(weights.values())
    return sum(weights[task] * gain for task, gain in of.items()) / total if total else 0.0


def score(
    objective: Objective, this: Experiment, baselines: Sequence[Experiment], runs: Sequence[Metrics] = ()
) -> tuple[float, ObjectiveParts]:
    """Return a completed experiment's objective and its parts; `runs` are its runs, if it has several."""
    assert this.metrics is not None, f"{this.id} has no figures"
    against = mark(objective, baselines)
    mine, flops = gains(objective, this.metrics, against), _flops(this.metrics)
    relative = flops / against.flops if flops is not None and against.flops else None
    parts = ObjectiveParts(
        gains=mine,
        runs=tuple(weighted_mean(objective, gains(objective, metrics, against)) for metrics in runs),
        flops=relative,
        within_limit=objective.max_flops is None or relative is None or relative <= objective.max_flops,
    )
    return weighted_mean(objective, mine), parts
