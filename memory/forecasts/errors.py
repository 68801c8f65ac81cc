"""How far results lie from what was expected: rank correlation with its interval, mean absolute error, bias."""

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import NamedTuple

import numpy as np

from memory.forecasts.features import Matrix

FEWEST = 6
"""Designs without which a rank correlation says nothing: with fewer, no order of them is rare."""
NORMAL_QUANTILE = 1.96
"""Standard deviations on either side of the estimate in an interval of 95 %."""


class Correlation(NamedTuple):
    """A rank correlation and the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


def rank_correlation(expected: Sequence[float], measured: Sequence[float]) -> Correlation | None:
    """Return Spearman's correlation; None for fewer than six values, or if those of one side are all equal.

    The interval is Fisher's, with the variance of Bonett and Wright (2000).
    """
    if len(expected) < FEWEST or len(set(expected)) == 1 or len(set(measured)) == 1:
        return None
    value = float(np.clip(np.corrcoef(_ranks(expected), _ranks(measured))[0, 1], -1, 1))
    centre = atanh(np.clip(value, -0.9999, 0.9999))
    reach = NORMAL_QUANTILE * sqrt((1 + value**2 / 2) / (len(expected) - 3))
    return Correlation(value, tanh(centre - reach), tanh(centre + reach))


def _ranks(values: Sequence[float]) -> Matrix:
    """Return the ranks from 1; equal values share their mean rank."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]
