"""Which gains a plan confirms: power and seeds used by the looks, the margin and the shares of a plan."""

from collections.abc import Sequence

import numpy as np

from agents.analysis.evidence.futility import smallest_gain
from agents.analysis.evidence.sequential_test import critical_t, evidence
from agents.analysis.evidence.stream import level
from benchmarks.evidence.noise import PAIRED_SD

ALPHA = 0.05
PLANS = ((5, 10), (5, 10, 20), (5, 10, 20, 40), (5, 10, 20, 40, 80))
GAINS = (0.01, 0.015, 0.02, 0.03)
"""True gains in nats per byte."""


def power(looks: Sequence[int], gain: float, margin: float, candidates: int, trials: int) -> tuple[float, float]:
    """Return how often one rung is passed against one baseline, and the mean number of seeds that it takes."""
    rng = np.random.default_rng([looks[-1], candidates, round(1e4 * gain)])
    gains = gain - margin + PAIRED_SD * rng.standard_normal((trials, looks[-1]))
    ended, passed = np.full(trials, looks[-1]), np.zeros(trials, bool)
    error_level = level(ALPHA, candidates=candidates)
    for look in looks[:-1]:
        seen = gains[:, :look]
        t = seen.mean(axis=1) / seen.std(axis=1, ddof=1) * look**0.5
        crossed = (t >= critical_t(look, error_level, looks[-1])) & ~passed
        ended[crossed], passed = look, passed | crossed
    for trial in np.flatnonzero(~passed):
        passed[trial] = evidence(gains[trial].tolist(), 0.0, looks, is_last=True) >= 1.0 / error_level
    return float(passed.mean()), float(ended.mean())


def visible_gain(looks: Sequence[int], margin: float, candidates: int) -> float:
    """Return the gain that the plan's last look confirms with a power of 0.8."""
    return smallest_gain(PAIRED_SD, margin, level(ALPHA, candidates=candidates), looks)
