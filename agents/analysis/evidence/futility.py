"""Can a claim still succeed within its plan, and which gain could the plan have seen?

Stopping for futility costs no validity: who stops early confirms less.

Sources: Spiegelhalter, Freedman and Blackburn 1986 (predictive power); Lachin 2005 (futility by conditional power).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import fsum, isfinite, sqrt
from statistics import NormalDist, fmean, stdev

from agents.analysis.evidence.sequential_test import critical_t, e_value, e_value_of_ratio, split
from agents.analysis.evidence.student_t import t_cdf, t_quantile

TARGET_POWER = 0.8
"""Power for which the smallest visible gain is given."""
QUANTILES = 15
"""Values of the evidence before the last look over which its power is averaged."""
LARGEST_EFFECT = 20.0
BISECTIONS = 40


def predictive_power(gains: Sequence[float], margin: float, level: float, looks: Sequence[int]) -> float:
    """Return the probability that a later look confirms, as predicted by the gains [seeds]; 0 after the last look.

    It is the greatest over the remaining looks. The mean of further gains is predicted from these ones with a flat
    prior; their standard deviation is taken as known, and so is the evidence before the last look if it is yet to come.
    """
    later = [look for look in looks[:-1] if look > len(gains)]
    at_looks = [_confirming(gains, margin, level, look, looks[-1]) for look in later]
    return max(*at_looks, _confirming_at_last(gains, margin, level, looks), 0.0) if len(gains) < looks[-1] else 0.0


def _confirming(gains: Sequence[float], margin: float, level: float, look: int, last_look: int) -> float:
    """Return the predicted probability that the e-value of a look before the last is 1/level or more."""
    seeds, mean, sd = len(gains), fmean(gains), stdev(gains)
    needed = margin + critical_t(look, level, last_look) * sd / sqrt(look)
    if not isfinite(needed):
        return 0.0
    return _mean_above((look * needed - seeds * mean) / (look - seeds), gains, look - seeds)


def _confirming_at_last(gains: Sequence[float], margin: float, level: float, looks: Sequence[int]) -> float:
    """Return the predicted probability that the t test at the last look confirms."""
    before, sd = split(looks), stdev(gains)
    if len(gains) >= before:
        kept = e_value(gains[:before], margin, looks[-1]) if before else 1.0
    else:
        kept = _expected_evidence((fmean(gains) - margin) / sd if sd else 0.0, before, looks[-1])
    tested, seen = looks[-1] - before, gains[before:]
    needed = margin + _needed_t(level * kept, tested) * sd / sqrt(tested)
    return _mean_above((tested * needed - fsum(seen)) / (tested - len(seen)), gains, tested - len(seen))


def _mean_above(needed: float, gains: Sequence[float], further: int) -> float:
    """Return the predicted probability that the mean of further gains is above what is needed."""
    error = stdev(gains) * sqrt(1 / len(gains) + 1 / further)
    return t_cdf((fmean(gains) - needed) / error, len(gains) - 1) if error else float(fmean(gains) > needed)


def _expected_evidence(effect: float, seeds: int, last_look: int) -> float:
    """Return the e-value of gains whose mean is an effect in standard deviations."""
    return e_value_of_ratio(_ratio(effect * sqrt(seeds), seeds), seeds, last_look)


def _ratio(t: float, seeds: int) -> float:
    """Return r of the e-value for a t statistic."""
    return t * sqrt(seeds / (seeds - 1 + t * t))


def _needed_t(p: float, seeds: int) -> float:
    """Return the t statistic of the last look's seeds for a p value; far below any if the p value needs none."""
    return t_quantile(1.0 - p, seeds - 1) if p < 1.0 else -1e6


def smallest_gain(sd: float, margin: float, level: float, looks: Sequence[int]) -> float:
    """Return the mean gain that the plan's last look would confirm with a power of 0.8.

    `sd` is that of a paired gain. Earlier looks make the true value slightly smaller.
    """
    return margin + sd * _smallest_effect(level, tuple(looks))


@lru_cache(maxsize=256)
def _smallest_effect(level: float, looks: tuple[int, ...]) -> float:
    low, high = 0.0, LARGEST_EFFECT
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _last_power(middle, level, looks) < TARGET_POWER else (low, middle)
    return high


def _last_power(effect: float, level: float, looks: tuple[int, ...]) -> float:
    """Return the power of the last look at an effect in standard deviations, with normal approximations."""
    before, normal = split(looks), NormalDist()
    tested = looks[-1] - before
    powers: list[float] = []
    for k in range(QUANTILES if before else 1):
        t = effect * sqrt(before) + normal.inv_cdf((k + 0.5) / QUANTILES)
        kept = e_value_of_ratio(_ratio(t, before), before, looks[-1]) if before else 1.0
        powers.append(normal.cdf(effect * sqrt(tested) - _needed_t(level * kept, tested)))
    return fmean(powers)
