"""Can a claim still succeed within its plan, and which gain could the plan have seen?

Stopping for futility costs no validity: an e-process may be stopped at any time, for any reason.

Sources: Spiegelhalter, Freedman and Blackburn 1986 (predictive power); Lachin 2005 (futility by conditional power).
"""

from collections.abc import Sequence
from math import inf, isfinite, sqrt
from statistics import NormalDist, fmean, stdev

from agents.analysis.evidence.sequential_test import critical_t
from agents.analysis.evidence.student_t import t_cdf

TARGET_POWER = 0.8
"""Power for which the smallest visible gain is given."""


def predictive_power(gains: Sequence[float], margin: float, level: float, looks: Sequence[int]) -> float:
    """Return the probability that the e-value crosses 1/level at a later look, as predicted by the gains [seeds].

    It is the greatest over the remaining looks. The mean of further gains is predicted from these ones with a flat
    prior, and their standard deviation is taken as known. 0 after the last look.
    """
    return max((_crossing(gains, margin, level, look, looks[-1]) for look in looks if look > len(gains)), default=0.0)


def _crossing(gains: Sequence[float], margin: float, level: float, look: int, last_look: int) -> float:
    """Return the predicted probability that the e-value has crossed with the gains of one later look."""
    seeds, mean, sd = len(gains), fmean(gains), stdev(gains)
    needed = margin + critical_t(look, level, last_look) * sd / sqrt(look)
    if not isfinite(needed):
        return 0.0
    further = look - seeds
    needed_further = (look * needed - seeds * mean) / further
    error = sd * sqrt(1 / seeds + 1 / further)
    return 1.0 - t_cdf((needed_further - mean) / error, seeds - 1) if error else float(mean > margin)


def smallest_gain(sd: float, margin: float, level: float, seeds: int, last_look: int) -> float:
    """Return the mean gain that a look at `seeds` seeds would confirm with a power of 0.8; ∞ if none.

    `sd` is that of a paired gain. It is what is needed at that look plus the normal quantile of the power, so looks
    before it make the true value slightly smaller.
    """
    critical = critical_t(seeds, level, last_look)
    power_z = NormalDist().inv_cdf(TARGET_POWER)
    return margin + (critical + power_z) * sd / sqrt(seeds) if isfinite(critical) else inf
