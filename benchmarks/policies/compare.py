"""Regret of searches on a table, and the paired difference of two policies with a bootstrap interval."""

from collections.abc import Sequence
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
    chosen = (min(evaluated[:mark], key=lambda design: table.validation(design, seed)) for mark in marks)
    return [table.test(design, seed) - table.best for design in chosen]


def interval(values: Numbers) -> tuple[float, float, float]:
    """Return the mean of values [runs] and its percentile interval, from a bootstrap over runs."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    return float(values.mean()), float(low), float(high)
