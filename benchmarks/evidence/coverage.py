"""How often intervals of a mean gain hold the true one: over seeds alone, over documents too, and by the bootstrap."""

from collections.abc import Callable, Mapping

import numpy as np

from agents.analysis.evidence.intervals import Interval, document_interval, seed_interval
from benchmarks.evidence.noise import BLOCK_SD, BLOCKS, PAIRED_SD, REST_SD, Numbers

CONFIDENCE = 0.95
RESAMPLES = 500
SEEDS = (5, 10, 20, 40)


def bootstrap_interval(gains: Numbers, rng: np.random.Generator) -> Interval:
    """Return the two-level percentile bootstrap interval of gains [seeds, blocks]: both are resampled, crossed."""
    seeds, blocks = gains.shape
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds  # [resamples, seeds]
    by_block = rng.multinomial(blocks, np.full(blocks, 1 / blocks), RESAMPLES) / blocks
    means = ((by_seed @ gains) * by_block).sum(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


def _normal(rng: np.random.Generator, seeds: int) -> Numbers:
    return rng.standard_normal(seeds)


def _skewed(rng: np.random.Generator, seeds: int) -> Numbers:
    """Return noise of a gamma distribution with shape 4, scaled to standard deviation 1."""
    return (rng.gamma(4.0, 1.0, seeds) - 4.0) / 2.0


SHAPES: Mapping[str, Callable[[np.random.Generator, int], Numbers]] = {"normal": _normal, "skewed": _skewed}
"""Distributions of the noise of seeds."""


def coverage(seeds: int, shape: str, trials: int) -> dict[str, float]:
    """Return the share of intervals that hold the true gain, by kind of interval."""
    rng = np.random.default_rng([seeds, *shape.encode()])
    held = {"t over seeds and documents": 0, "bootstrap over both": 0, "t over seeds, same documents": 0}
    for _ in range(trials):
        by_seed = PAIRED_SD * SHAPES[shape](rng, seeds)
        blocks = BLOCK_SD * rng.standard_normal(BLOCKS)
        gains = by_seed[:, None] + blocks + REST_SD * rng.standard_normal((seeds, BLOCKS))
        rows = gains.tolist()
        held["t over seeds and documents"] += _holds(document_interval(rows, CONFIDENCE), 0.0)
        held["bootstrap over both"] += _holds(bootstrap_interval(gains, rng), 0.0)
        means = gains.mean(axis=1).tolist()
        held["t over seeds, same documents"] += _holds(seed_interval(means, CONFIDENCE), float(blocks.mean()))
    return {name: count / trials for name, count in held.items()}


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high
