"""Regret of searches on a table: paired differences of policies, and trials to a regret, with bootstrap intervals."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.policies.table import Table

Numbers = NDArray[np.float64]
RESAMPLES, CONFIDENCE_LEVEL = 2000, 0.95


def regrets(table: Table, evaluated: Sequence[Any], seed: int, marks: Sequence[int]) -> list[float]:
    """Return the test regret of the design with the best validation value after so many queries each.

    Of equals, the one that was evaluated first. A table whose best value is unknown gives the value itself.
    """
    course = list(_course(table, evaluated, seed))
    return [course[min(mark, len(course)) - 1] for mark in marks]


def _course(table: Table, evaluated: Sequence[Any], seed: int) -> Iterator[float]:
    """Yield the regret after each query."""
    least, regret = np.inf, np.inf
    for design in evaluated:
        value = table.validation(design, seed)
        if value < least:
            least, regret = value, table.test(design, seed) - table.best
        yield regret


def interval(values: Numbers) -> tuple[float, float, float]:
    """Return the mean of values [runs] and its percentile interval, from a bootstrap over runs."""
    low, high = _tails(values[_resampled(len(values))].mean(axis=1))
    return float(values.mean()), low, high


def times_fewer(courses: Numbers, slow: Numbers) -> tuple[float, float, float]:
    """Return how many times fewer queries a policy takes to the mean regret that another one ends with.

    Both are [runs, queries], paired by run; with an interval. 0 if the policy does not get there.
    """
    draws = _resampled(len(courses))
    low, high = _tails(np.array([_ratio(courses[draw], slow[draw]) for draw in draws]))
    return _ratio(courses, slow), low, high


def _ratio(courses: Numbers, slow: Numbers) -> float:
    reached = np.flatnonzero(courses.mean(axis=0) <= slow[:, -1].mean())
    return slow.shape[1] / (1 + int(reached[0])) if len(reached) else 0.0


def _resampled(runs: int) -> NDArray[np.int64]:
    """Return runs drawn with replacement, [RESAMPLES, runs]."""
    return np.random.default_rng(0).integers(0, runs, (RESAMPLES, runs))


def _tails(values: Numbers) -> tuple[float, float]:
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
