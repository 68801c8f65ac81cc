"""What is left of a good score when its noise is known: shrunken estimates, for display next to measured ones.

The best of many noisy scores is too good (the winner's curse), by about σ·√(2·ln n) if all are equal. A claim never
uses such a score: it rests on fresh seeds. A table of screening scores shows the shrunken value as well:

    grand mean + τ² / (τ² + σ²/n) · (mean − grand mean)

τ² is the variance between designs, estimated by moments: the variance of the means, less what the seeds explain.

Sources: Efron and Morris 1975 (empirical Bayes shrinkage); DerSimonian and Laird 1986 (τ² by moments).
"""

from collections.abc import Sequence
from statistics import fmean, variance


def between_variance(means: Sequence[float], seeds: Sequence[int], noise: float) -> float:
    """Return τ² of at least two designs, at least 0; `noise` is the standard deviation of one seed."""
    return max(0.0, variance(means) - fmean(noise * noise / count for count in seeds))


def shrunken(means: Sequence[float], seeds: Sequence[int], noise: float) -> list[float]:
    """Return the shrunken mean of each design, from its mean over a number of seeds; a single design stays as it is."""
    if len(means) < 2:
        return list(means)
    tau = between_variance(means, seeds, noise)
    grand = fmean(means)
    factors = (tau / (tau + noise * noise / count) if tau or noise else 1.0 for count in seeds)
    return [grand + factor * (mean - grand) for factor, mean in zip(factors, means, strict=True)]
