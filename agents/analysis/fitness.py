"""The arithmetic of a fitness: three parts, each in [0, 1], and their mean (`docs/explanation/fitness.md`).

Loss and benchmark are squashed as in ASI-ARCH's released code: s = σ(6 · clip(gain / width, ±1)). Only counted
quantities enter, never a clock, so one seed gives one sequence of proposals.

The loss part is that of the rung's first task on text. The benchmark part is the mean over the rung's benchmarks, which
are all its other tasks. Each is squashed by itself, so a benchmark that all solve can't hide a gain on another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp
from operator import add
from statistics import fmean

from bus.vocabulary.events import FitnessParts
from bus.vocabulary.queries import Experiment

STEEPNESS = 6.0
"""Slope of σ where the gain is 0, per width."""
LOSS_WIDTH = 0.1
"""Share of the baselines' loss by which a loss is lower when its part saturates."""
RECALL_WIDTH = 0.5
"""Accuracy above the baselines' at which the part saturates."""
THRIFT_SLOPE = 4.0
"""Slope of σ for size and cost, in units of the baselines' mean."""
HALF_SIMPLICITY_LINES = 200.0
"""Lines of source at which simplicity is one half."""
MARK_WEIGHTS = {"performance": 0.30, "innovation": 0.25, "complexity": 0.45}
"""Weights of a model's marks from 1 to 10."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Means over the completed baselines, from which every gain is measured."""

    val_loss: float
    """Nats per byte."""
    recall: float
    """Accuracy."""
    benchmarks: Mapping[str, float]
    """Accuracy on every task that is not on text, including recall."""
    parameters: float
    """Trainable parameters."""
    flops: float
    """Forward FLOPs per token."""


def reference(baselines: Sequence[Experiment]) -> Reference | None:
    """Return the baselines' means, or None if no baseline has completed."""
    done = [b for b in baselines if b.val_loss is not None]
    if not done:
        return None
    common = [task for task in benchmarks(done[0]) if all(task in benchmarks(b) for b in done)]
    return Reference(
        val_loss=fmean(b.val_loss or 0.0 for b in done),
        recall=fmean(b.recall or 0.0 for b in done),
        parameters=fmean(b.parameters or 0 for b in done),
        flops=fmean(b.cost("flops_per_token") or 0.0 for b in done),
        benchmarks={task: fmean(benchmarks(b)[task] for b in done) for task in common},
    )


def benchmarks(of: Experiment) -> dict[str, float]:
    """Return the accuracy on every task that is not on text, by task."""
    tasks = of.metrics.tasks if of.metrics else {}
    return {
        name: task.measures["accuracy"].value for name, task in tasks.items() if "bits_per_byte" not in task.measures
    }


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^−x) without overflow at either end."""
    return 1.0 / (1.0 + exp(-x)) if x >= 0 else exp(x) / (1.0 + exp(x))


def clip(x: float) -> float:
    """Return x limited to [−1, 1]."""
    return min(1.0, max(-1.0, x))


def loss_part(val_loss: float, mean: float) -> float:
    """Return the part of a loss against the baselines' mean, both in nats per byte; the mean is positive."""
    return sigmoid(STEEPNESS * clip((mean - val_loss) / (LOSS_WIDTH * mean)))


def benchmark_part(accuracy: float, mean: float) -> float:
    """Return the part of one benchmark's accuracy against the baselines' mean."""
    return sigmoid(STEEPNESS * clip((accuracy - mean) / RECALL_WIDTH))


def thrift(used: float, mean: float) -> float:
    """Return one half if as much is used as by the baselines, more if less is used."""
    return sigmoid(THRIFT_SLOPE * (1.0 - used / mean)) if mean > 0 else 0.5


def simplicity(lines: int) -> float:
    """Return 1 for an empty source, one half at 200 lines."""
    return 1.0 / (1.0 + lines / HALF_SIMPLICITY_LINES)


def counted_judge(novelty: float, size: float, cost: float, lines: int) -> float:
    """Return the judge's part without a model: 0.4 novelty + 0.2 size + 0.2 cost + 0.2 simplicity.

    `novelty` is how far the idea lies from the nearest earlier one, in [0, 1]; `size` and `cost` are `thrift` values.
    """
    return 0.4 * min(1.0, max(0.0, novelty)) + 0.2 * size + 0.2 * cost + 0.2 * simplicity(lines)


def marked_judge(performance: int, innovation: int, complexity: int) -> float:
    """Return the judge's part from a model's marks, each from 1 to 10: their weighted mean, moved to [0, 1]."""
    marks = {"performance": performance, "innovation": innovation, "complexity": complexity}
    weighted = (MARK_WEIGHTS[name] * min(10, max(1, mark)) for name, mark in marks.items())
    return (reduce(add, weighted) - 1.0) / 9.0  # sum() rounds otherwise from Python 3.12 on, and a replay would differ


def judge(this: Experiment, against: Reference | None) -> float:
    """Return the counted judge of an experiment; without a baseline, size and cost are as good as the mean."""
    size = thrift(this.parameters or 0, against.parameters) if against else 0.5
    cost = thrift(this.cost("flops_per_token") or 0.0, against.flops) if against else 0.5
    novelty = 1.0 if this.novelty is None else this.novelty
    return counted_judge(novelty, size, cost, this.lines or 0)


def parts(this: Experiment, against: Reference | None, judged: float) -> FitnessParts:
    """Return the three parts of a completed experiment; without a baseline, gains are 0."""
    assert this.val_loss is not None, f"{this.id} has no score"
    if against is None:
        return FitnessParts(loss=0.5, benchmark=0.5, judge=judged)
    mine = benchmarks(this)
    return FitnessParts(
        loss=loss_part(this.val_loss, against.val_loss),
        benchmark=fmean(benchmark_part(mine[task], mean) for task, mean in against.benchmarks.items() if task in mine),
        judge=judged,
    )


def fitness(of: FitnessParts) -> float:
    """Return the mean of the parts."""
    return (of.loss + of.benchmark + of.judge) / 3.0
