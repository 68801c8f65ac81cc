"""How well one set of scores predicts another: rank correlations with intervals, spread against noise, reliability.

The functions are pure and take arrays; a design's score is its mean over seeds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE_LEVEL = 0.95
MIN_DESIGNS = 6
"""Designs without which a rank correlation says nothing: with fewer, no order of them is rare."""


def agreement(cheap: Numbers, costly: Numbers, seed: int = 0) -> dict[str, Any]:
    """Return Spearman's rho and Kendall's tau-b of two score vectors [designs], each with a percentile interval.

    The interval is from a bootstrap over designs: it covers the choice of designs. Raises ValueError if the scores of a
    vector are all equal.
    """
    if not (np.ptp(cheap) > 0 and np.ptp(costly) > 0):
        raise ValueError("the scores of a vector are all equal, so they have no ranks")
    draws = _draws(len(cheap), seed)
    kendall = np.array([_kendall(cheap[draw], costly[draw]) for draw in draws])
    return {
        "designs": len(cheap),
        "spearman": _with_interval(_spearman(cheap, costly), _spearman(cheap[draws], costly[draws])),
        "kendall": _with_interval(_kendall(cheap, costly), kendall),
    }


def _draws(designs: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, designs, (RESAMPLES, designs))


def _with_interval(value: Any, resampled: Numbers) -> dict[str, Any]:
    low, high = np.nanquantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return {"value": round(float(value), 3), "interval": [round(float(low), 3), round(float(high), 3)]}


def _spearman(a: Numbers, b: Numbers) -> Numbers:
    """Return Spearman's rho of scores [..., designs]: Pearson's correlation of ranks; NaN if all are equal."""
    a, b = (stats.rankdata(scores, axis=-1) for scores in (a, b))
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (a, b))
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _kendall(a: Numbers, b: Numbers) -> float:
    """Return Kendall's tau-b, or NaN without a warning if the scores of one side are all equal."""
    result: Any = stats.kendalltau(a, b) if np.ptp(a) > 0 and np.ptp(b) > 0 else None
    return float(result.statistic) if result else float("nan")


@dataclass(frozen=True, slots=True)
class RungCorrelation:
    """Spearman's rho between the scores of the same designs at two rungs."""

    designs: int
    value: float | None
    """None for fewer than six designs, or if all scores of a rung are equal."""
    interval: tuple[float, float] | None

    @property
    def is_unsure(self) -> bool:
        """Whether the lower rung may say nothing about the higher one: the interval includes 0, or there is none."""
        return self.interval is None or self.interval[0] <= 0.0


def rung_correlation(lower: Numbers, upper: Numbers, seed: int = 0) -> RungCorrelation:
    """Return the rank correlation of scores [designs] at two rungs, with a bootstrap interval over designs."""
    if len(lower) < MIN_DESIGNS or not (np.ptp(lower) > 0 and np.ptp(upper) > 0):
        return RungCorrelation(len(lower), None, None)
    draws = _draws(len(lower), seed)
    spearman = _with_interval(_spearman(lower, upper), _spearman(lower[draws], upper[draws]))
    low, high = spearman["interval"]
    return RungCorrelation(len(lower), spearman["value"], (low, high))


def best_quarter(lower: Numbers, upper: Numbers, seed: int = 0) -> RungCorrelation:
    """Return the same within the quarter that is best at the lower rung, where larger scores are better.

    A correlation over all designs says that the bad ones are told apart; a ladder chooses among the best.
    """
    best = np.argsort(-lower, kind="stable")[: max(1, len(lower) // 4)]
    return rung_correlation(lower[best], upper[best], seed)


def spread_to_noise(scores: Numbers) -> dict[str, float | None]:
    """Return the spread of designs, the noise of seeds and their ratio, from scores [designs, seeds].

    `spread` is the standard deviation of the designs' means, `noise` the pooled one of seeds within a design. For a
    single seed, noise and ratio are None; without noise, the ratio is None.
    """
    spread = float(scores.mean(axis=1).std(ddof=1))
    if scores.shape[1] == 1:
        return {"spread": round(spread, 4), "noise": None, "ratio": None}
    noise = float(np.sqrt(scores.var(axis=1, ddof=1).mean()))
    return {"spread": round(spread, 4), "noise": round(noise, 4), "ratio": round(spread / noise, 2) if noise else None}


def reliability(scores: Numbers) -> float | None:
    """Return the reliability of one seed, from scores [designs, seeds]: ICC(1), of one-way analysis of variance.

    It is the share of a single score's variance that is due to the design, at least 0. None for a single seed, or if
    all scores are equal.
    """
    seeds = scores.shape[1]
    if seeds == 1:
        return None
    within = float(scores.var(axis=1, ddof=1).mean())
    between = max(float(scores.mean(axis=1).var(ddof=1)) - within / seeds, 0.0)
    return round(between / (between + within), 3) if between + within else None
