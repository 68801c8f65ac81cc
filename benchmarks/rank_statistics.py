"""How well one set of scores predicts another: rank correlations with intervals, spread against noise, reliability.

The functions are pure and take arrays; a design's score is its mean over seeds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE_LEVEL = 0.95


def agreement(cheap: Numbers, costly: Numbers, seed: int = 0) -> dict[str, Any]:
    """Return Spearman's rho and Kendall's tau-b of two score vectors [designs], each with a percentile interval.

    The interval is from a bootstrap over designs: it covers the choice of designs. Raises ValueError if the scores of a
    vector are all equal.
    """
    if not (np.ptp(cheap) > 0 and np.ptp(costly) > 0):
        raise ValueError("the scores of a vector are all equal, so they have no ranks")
    rng, measures = np.random.default_rng(seed), {"spearman": stats.spearmanr, "kendall": stats.kendalltau}
    draws = [rng.integers(0, len(cheap), len(cheap)) for _ in range(RESAMPLES)]
    result: dict[str, Any] = {"designs": len(cheap)}
    for name, measure in measures.items():
        resampled = [_correlation(measure, cheap[draw], costly[draw]) for draw in draws]
        low, high = np.nanquantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
        result[name] = {
            "value": round(_correlation(measure, cheap, costly), 3),
            "interval": [round(float(low), 3), round(float(high), 3)],
        }
    return result


def _correlation(measure: Any, a: Numbers, b: Numbers) -> float:
    """Return a rank correlation, or NaN without a warning if the scores of one side are all equal."""
    return float(measure(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


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
