"""t intervals of a mean paired gain: over seeds alone, and over seeds and held-out documents together.

Every seed scores the same documents, so seeds and documents are crossed, not nested. For gains [seeds, blocks] the
variance of the grand mean is estimated by (MS_seeds + MS_blocks − MS_rest) / (seeds · blocks) from a two-way analysis
of variance without replication, and its degrees of freedom are Satterthwaite's. If the estimate falls below that of
the seeds or of the blocks alone, the larger one counts.

Sources: Satterthwaite 1946; Owen, 0712.1111 (crossed random effects); Bouthillier et al., 2103.03098 (sources of
variation in benchmarks).
"""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev, variance
from typing import NamedTuple

from agents.analysis.evidence.student_t import t_quantile


class Interval(NamedTuple):
    """A confidence interval, in the unit of the gain."""

    low: float
    high: float


def seed_interval(gains: Sequence[float], confidence: float) -> Interval:
    """Return the t interval of the mean of gains [seeds], from at least two seeds."""
    return _around(fmean(gains), stdev(gains) / sqrt(len(gains)), len(gains) - 1, confidence)


def document_interval(gains: Sequence[Sequence[float]], confidence: float) -> Interval:
    """Return the interval of the mean of gains [seeds, blocks] over new seeds and new documents.

    At least two seeds and two blocks; every seed has the same blocks.
    """
    seeds, blocks = len(gains), len(gains[0])
    by_seed = [fmean(row) for row in gains]
    by_block = [fmean(column) for column in zip(*gains, strict=True)]
    mean, ms_seeds, ms_blocks = fmean(by_seed), blocks * variance(by_seed), seeds * variance(by_block)
    total = sum((value - mean) ** 2 for row in gains for value in row)
    rest = max(total - (seeds - 1) * ms_seeds - (blocks - 1) * ms_blocks, 0.0)
    ms_rest = rest / ((seeds - 1) * (blocks - 1))
    combined = max(ms_seeds + ms_blocks - ms_rest, ms_seeds, ms_blocks)
    parts = ((ms_seeds, seeds - 1), (ms_blocks, blocks - 1), (ms_rest, (seeds - 1) * (blocks - 1)))
    spread = sum(square * square / degrees for square, degrees in parts)
    degrees = combined * combined / spread if spread else 1.0
    error = sqrt(combined / (seeds * blocks))
    return _around(mean, error, max(1, min(int(degrees), seeds * blocks - 1)), confidence)


def _around(mean: float, error: float, degrees: int, confidence: float) -> Interval:
    half = t_quantile(0.5 + 0.5 * confidence, degrees) * error
    return Interval(mean - half, mean + half)
