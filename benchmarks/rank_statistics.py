"""How well one set of scores foretells another: rank correlations with bootstrap intervals, and spread against noise.

Pure functions over arrays; a design's score is its mean over seeds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]
RESAMPLES = 2000
LEVEL = 0.95


def agreement(cheap: Numbers, dear: Numbers, seed: int = 0) -> dict[str, Any]:
    """Return Spearman's rho and Kendall's tau-b of two score vectors [designs], each with a percentile interval.

    Raises ValueError where a vector is all ties, which has no ranks.

    The interval is of a bootstrap over designs: it says what other designs of the same kind would have shown.
    """
    if not (np.ptp(cheap) > 0 and np.ptp(dear) > 0):
        raise ValueError("scores that are all the same have no ranks")
    rng, measures = np.random.default_rng(seed), {"spearman": stats.spearmanr, "kendall": stats.kendalltau}
    draws = [rng.integers(0, len(cheap), len(cheap)) for _ in range(RESAMPLES)]
    told: dict[str, Any] = {"designs": len(cheap)}
    for name, measure in measures.items():
        resampled = [_correlation(measure, cheap[draw], dear[draw]) for draw in draws]
        low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        told[name] = {
            "value": round(_correlation(measure, cheap, dear), 3),
            "interval": [round(float(low), 3), round(float(high), 3)],
        }
    return told


def _correlation(measure: Any, a: Numbers, b: Numbers) -> float:
    """Return a rank correlation; NaN, without a warning, where one side is all ties."""
    return float(measure(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


def spread_to_noise(scores: Numbers) -> dict[str, float | None]:
    """Return how far designs lie apart against how far seeds of one design do, from scores [designs, seeds].

    `spread` is the standard deviation of the designs' means, `noise` the pooled one of seeds within a design: None for
    a single seed, as their ratio is then, and where there is no noise at all.
    """
    spread = float(scores.mean(axis=1).std(ddof=1))
    if scores.shape[1] == 1:
        return {"spread": round(spread, 4), "noise": None, "ratio": None}
    noise = float(np.sqrt(scores.var(axis=1, ddof=1).mean()))
    return {"spread": round(spread, 4), "noise": round(noise, 4), "ratio": round(spread / noise, 2) if noise else None}
