"""What can be read out of a run of one task, and how much of a readout's variance is due to the design.

A readout is a function of a run; the higher, the better. All but the last are held-out scores, which the examination
could compute from weights alone. The last is the run's own report, so it can't be a score; it is here to compare.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from agents.analysis.evidence.rank_statistics import reliability, spread_to_noise
from trainer.run.scoring import MIN_LOSS

Levels = list[tuple[float, float]]
"""(nats per target, accuracy) of each level of difficulty, from easy to hard."""
ABLE_SHARE = 0.5
"""A design can do a task if its mean accuracy is at least this share of the best design's."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One training of a design on one task, with everything that a readout may use."""

    task: str
    design: str
    seed: int
    cpu_seconds: float
    """Of training and of all evaluations."""
    curve: list[float]
    """Training loss at each reading."""
    checkpoints: list[Levels]
    """Scores of the weights at some late steps; the last are those of the end."""
    averaged: dict[str, Levels]
    """Share of the steps -> scores of the mean of the weights over the last so many steps."""

    @property
    def final(self) -> Levels:
        """Scores of the last weights."""
        return self.checkpoints[-1]


def _accuracy(levels: Levels) -> float:
    return fmean(accuracy for _, accuracy in levels)


def _loss(levels: Levels) -> float:
    return fmean(loss for loss, _ in levels)


def _log_loss(levels: Levels) -> float:
    """Return the log of the mean loss."""
    return math.log(max(_loss(levels), MIN_LOSS))


def _mean_log_loss(levels: Levels) -> float:
    """Return the mean of the levels' log losses, as `Score.log_loss` does."""
    return fmean(math.log(max(loss, MIN_LOSS)) for loss, _ in levels)


Readout = Callable[[TaskRun], float]
READOUTS: dict[str, Readout] = {
    "accuracy": lambda run: _accuracy(run.final),
    "accuracy, hardest level": lambda run: run.final[-1][1],
    "accuracy, weights of the last tenth": lambda run: _accuracy(run.averaged["0.1"]),
    "loss": lambda run: -_loss(run.final),
    "loss, mean of checkpoints": lambda run: -fmean(map(_loss, run.checkpoints)),
    "loss, weights of the last tenth": lambda run: -_loss(run.averaged["0.1"]),
    "loss, weights of the last quarter": lambda run: -_loss(run.averaged["0.25"]),
    "log of the mean loss": lambda run: -_log_loss(run.final),
    "log loss, hardest level": lambda run: -_log_loss(run.final[-1:]),
    "log loss, mean of levels": lambda run: -_mean_log_loss(run.final),
    "log loss, mean of checkpoints": lambda run: -fmean(map(_mean_log_loss, run.checkpoints)),
    "log loss, weights of the last tenth": lambda run: -_mean_log_loss(run.averaged["0.1"]),
    "log loss, weights of the last quarter": lambda run: -_mean_log_loss(run.averaged["0.25"]),
    "training loss, second half (reported)": lambda run: -fmean(run.curve[len(run.curve) // 2 :]),
}
"""Readout by name."""


def report(runs: list[TaskRun]) -> dict[str, Any]:
    """Return the figures of every task, over the seeds that all of its designs have."""
    return {task: _of_task([run for run in runs if run.task == task]) for task in dict.fromkeys(r.task for r in runs)}


def _of_task(runs: list[TaskRun]) -> dict[str, Any]:
    by_key = {(run.design, run.seed): run for run in runs}
    designs = list(dict.fromkeys(run.design for run in runs))
    seeds = [seed for seed in sorted({run.seed for run in runs}) if all((name, seed) in by_key for name in designs)]
    if not seeds:
        return {"seeds": 0}
    table = {name: [by_key[name, seed] for seed in seeds] for name in designs}
    able = {name: table[name] for name in _able(table)}
    return {
        "seeds": len(seeds),
        "cpu seconds": round(fmean(run.cpu_seconds for run in runs), 1),
        "accuracy": {name: [round(_accuracy(run.final), 3) for run in row] for name, row in table.items()},
        "all designs": _figures(table),
        "able designs": {"designs": list(able), **_figures(able)},
    }


def _able(table: Mapping[str, list[TaskRun]]) -> list[str]:
    """Return the designs that can do the task."""
    accuracies = {name: fmean(_accuracy(run.final) for run in row) for name, row in table.items()}
    return [name for name, accuracy in accuracies.items() if accuracy >= ABLE_SHARE * max(accuracies.values())]


def _figures(table: Mapping[str, list[TaskRun]]) -> dict[str, dict[str, float | None]]:
    """Return mean, spread, noise, their ratio and the reliability of one seed for each readout of several designs."""
    if len(table) < 2:
        return {}
    scores = {name: np.array([list(map(readout, row)) for row in table.values()]) for name, readout in READOUTS.items()}
    return {
        name: {"mean": round(float(of.mean()), 4), **spread_to_noise(of), "reliability": reliability(of)}
        for name, of in scores.items()
    }
