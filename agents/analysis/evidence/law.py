"""The law of discovery: how the number of discoveries N grows with the cost C of a search, N(C) = a·C^b.

Discoveries are taken as a Poisson process with the mean a·C^b (the power-law process; in reliability, Duane and
Crow-AMSAA). Given its number of discoveries N, each search leaves the statistic

    T = Σ ln(C_end / C_i),    2·b·T ~ χ² with 2N degrees of freedom,

so the maximum-likelihood exponent is N / T and its interval is exact. T and N of several searches add up, even if
their factors a differ. A constant hit rate is b = 1: only an interval above 1 shows that discovery accelerates.

Costs come in whole experiments, and the process is of points in time. So a discovery stands half way through its
experiment: at the end of it, short searches would seem to accelerate at a constant rate.

Sources: Crow 1974 (maximum likelihood and exact intervals of the power-law process); Efron 1979 (bootstrap).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Growth = Literal["slower", "linear", "faster", "can't be told", "too few to tell"]
CONFIDENCE_LEVEL = 0.95
FEW_DISCOVERIES = 10
"""With nine discoveries the exponent's exact interval spans a factor of 3.8, with fewer a larger one."""
LINEAR_RANGE = (0.8, 1.25)
"""Exponents that are called linear, if the whole interval lies between them."""
MIN_RESAMPLED = 5
"""Searches from which on whole searches are resampled: fewer have too few distinct samples."""
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """One search: its cost in one unit, and the costs at which it made its discoveries."""

    cost: float
    """Cost at its end, above 0."""
    discoveries: tuple[float, ...]
    """Cost spent half way through the experiment of each discovery, in (0, cost]."""

    @property
    def log_sum(self) -> float:
        """T: the sum of ln(cost at the end / cost at the discovery)."""
        return fsum(log(self.cost / at) for at in self.discoveries)


@dataclass(frozen=True, slots=True)
class GrowthLaw:
    """The fitted law of some searches."""

    searches: int
    discoveries: int
    factor: float | None
    """a: discoveries of one search at a cost of 1; None without an exponent."""
    exponent: float | None
    """b by maximum likelihood; None without a discovery before the end of its search."""
    interval: tuple[float, float] | None
    """Exact 95 % interval of b for a Poisson process."""
    search_interval: tuple[float, float] | None
    """95 % percentile interval of b over resampled whole searches; None for fewer than five."""
    constant_rate_p: float | None
    """Two-sided p value of a constant hit rate, b = 1."""
    growth: Growth
    """The finding in words, by the interval that spans both."""

    @property
    def span(self) -> tuple[float, float] | None:
        """The interval that spans both; None without an exponent."""
        return _span(self.interval, self.search_interval) if self.interval else None


def fit(searches: Sequence[SearchRecord], seed: int = 0) -> GrowthLaw:
    """Return the law that searches follow together."""
    count = sum(len(search.discoveries) for search in searches)
    total = fsum(search.log_sum for search in searches)
    if not total:
        return GrowthLaw(len(searches), count, None, None, None, None, None, "too few to tell")
    exponent = count / total
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = (float(stats.chi2.ppf(p, 2 * count)) / (2 * total) for p in (tail, 1 - tail))
    below = float(stats.chi2.cdf(2 * total, 2 * count))
    resampled = _resampled_interval(searches, seed)
    return GrowthLaw(
        searches=len(searches),
        discoveries=count,
        factor=count / fsum(search.cost**exponent for search in searches),
        exponent=exponent,
        interval=(low, high),
        search_interval=resampled,
        constant_rate_p=2 * min(below, 1 - below),
        growth="too few to tell" if count < FEW_DISCOVERIES else _in_words(*_span((low, high), resampled)),
    )


def _span(interval: tuple[float, float], other: tuple[float, float] | None) -> tuple[float, float]:
    """Return the interval from the lower of the low ends to the higher of the high ones."""
    low, high = other or interval
    return min(interval[0], low), max(interval[1], high)


def _in_words(low: float, high: float) -> Growth:
    """Return what an interval of the exponent shows."""
    if LINEAR_RANGE[0] <= low and high <= LINEAR_RANGE[1]:
        return "linear"
    if high < 1.0:
        return "slower"
    return "faster" if low > 1.0 else "can't be told"


def _resampled_interval(searches: Sequence[SearchRecord], seed: int) -> tuple[float, float] | None:
    """Return the percentile interval of b over resampled whole searches; samples without a discovery don't count."""
    if len(searches) < MIN_RESAMPLED:
        return None
    counts = np.array([len(search.discoveries) for search in searches])
    totals = np.array([search.log_sum for search in searches])
    draws = _draws(len(searches), seed)  # [resamples, searches]
    counts, totals = counts[draws].sum(axis=1), totals[draws].sum(axis=1)
    exponents = counts[totals > 0] / totals[totals > 0]
    return _percentiles(exponents) if len(exponents) else None


def mean_curve(searches: Sequence[SearchRecord], grid: Sequence[float], seed: int = 0) -> list[tuple[float, ...]]:
    """Return the mean number of discoveries per search at each cost of a grid: (cost, mean, low, high).

    The band is over resampled whole searches, so it says nothing for fewer than five: low and high are then the least
    and the greatest search. A search that ended earlier keeps its last number.
    """
    counts = np.array([[sum(at <= cost for at in search.discoveries) for cost in grid] for search in searches], float)
    if len(searches) < MIN_RESAMPLED:
        low, high = counts.min(axis=0), counts.max(axis=0)
    else:
        means = counts[_draws(len(searches), seed)].mean(axis=1)  # [resamples, grid]
        low, high = np.quantile(means, _tails(), axis=0)
    return list(zip(grid, counts.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True))


def _draws(size: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, size, (RESAMPLES, size))


def _tails() -> tuple[float, float]:
    return (1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, _tails())
    return float(low), float(high)
