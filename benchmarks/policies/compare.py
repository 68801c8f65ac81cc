"""Regret of searches on a table: paired differences, queries to a regret, and the evidence for a policy."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.analysis.evidence.sequential_test import evidence
from benchmarks.policies.table import Table

Numbers = NDArray[np.float64]
RESAMPLES, CONFIDENCE_LEVEL = 2000, 0.95
ERROR_LEVEL = 0.05
"""Error level of a claim that one policy has less regret than another."""


def regrets(table: Table, evaluated: Sequence[Any], seed: int, marks: Sequence[int]) -> list[float]:
    """Return the test regret of the design with the best validation value after so many queries each.

    Of equals, the one that was evaluated first. A table whose best value is unknown gives the value itself.
    """
    return [test for test, _ in _at(marks, list(_course(table, evaluated, seed)))]


def search_regrets(table: Table, evaluated: Sequence[Any], seed: int, marks: Sequence[int]) -> list[float]:
    """Return by how much the best validation value so far exceeds the table's best, after so many queries each.

    It is what a policy can lower; test regret also has what the validation set does not tell.
    """
    return [seen for _, seen in _at(marks, list(_course(table, evaluated, seed)))]


def _at(marks: Sequence[int], course: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [course[min(mark, len(course)) - 1] for mark in marks]


def _course(table: Table, evaluated: Sequence[Any], seed: int) -> Iterator[tuple[float, float]]:
    """Yield the test regret and the regret in validation after each query."""
    least, regret = np.inf, np.inf
    for design in evaluated:
        value = table.validation(design, seed)
        if value < least:
            least, regret = value, table.test(design, seed) - table.best
        yield regret, least - table.best_validation(seed)


def interval(values: Numbers) -> tuple[float, float, float]:
    """Return the mean of values [runs] and its percentile interval, from a bootstrap over runs."""
    low, high = _tails(values[_resampled(len(values))].mean(axis=1))
    return float(values.mean()), low, high


def evidence_for(regret: Numbers, reference: Numbers) -> str:
    """Return what the lab's own test says of a policy's regrets [runs] next to those of another, paired by run.

    The runs are the one look of a claim that the policy has less regret on average.
    """
    found = evidence((reference - regret).tolist(), 0.0, (len(regret),), is_last=True)
    return f"{found:.3g} of {1 / ERROR_LEVEL:g}: {'less regret' if found * ERROR_LEVEL >= 1 else 'no evidence'}"


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
