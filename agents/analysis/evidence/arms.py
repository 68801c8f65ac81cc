"""Arms of a search against each other: the expected best of n tries, interquartile means, who tends to be better.

Values are larger for better. Intervals are over resampled whole searches.

Sources: Dodge et al., 1909.03004 (expected best of n); Agarwal et al., 2108.13264 (interquartile mean, probability of
improvement).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE_LEVEL = 0.95
RESAMPLES = 2000
MIN_SEARCHES = 5
"""Searches per arm without which no interval is given: resampled, three cover 74 % instead of 95 %, and five 91 %."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval."""

    value: float
    interval: tuple[float, float] | None
    """95 % percentile interval over searches; None for too few."""


def expected_best(values: Sequence[float], tries: int) -> float:
    """Return the expected maximum of `tries` ≥ 1 draws, with replacement, from values [tried].

    E[V_n] = Σ v_(i) · ((i/N)^n − ((i−1)/N)^n), with v_(i) rising. It is optimistic for n near N.
    """
    ordered = np.sort(np.asarray(values, float))
    ranks = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.sum(ordered * np.diff(ranks**tries)))


def interquartile_mean(values: Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean of the middle half of values [searches]."""
    array = np.asarray(values, float)
    draws = _draws(len(array), np.random.default_rng(seed))
    means = stats.trim_mean(array[draws], 0.25, axis=1) if len(array) >= MIN_SEARCHES else None
    return Estimate(float(stats.trim_mean(array, 0.25)), _interval(means))


def probability_of_improvement(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Estimate:
    """Return P(one of our searches is better than one of the other arm), ties counted as one half."""
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    wins = (a[:, None] > b[None, :]) + 0.5 * (a[:, None] == b[None, :])  # [ours, theirs]
    rng = np.random.default_rng(seed)
    rows, columns = _draws(len(a), rng), _draws(len(b), rng)
    enough = min(len(a), len(b)) >= MIN_SEARCHES
    resampled = wins[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2)) if enough else None
    return Estimate(float(wins.mean()), _interval(resampled))


def _draws(size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(0, size, (RESAMPLES, size))


def _interval(resampled: NDArray[np.float64] | None) -> tuple[float, float] | None:
    if resampled is None:
        return None
    low, high = np.quantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)
