"""Is the mean of paired gains above a margin? A test with several looks at a growing number of seeds.

Before the last look, the evidence in gains x_1 … x_n of independent seeds, taken as normal with an unknown variance, is
an e-value: the likelihood ratio of the t statistic for an effect of δ standard deviations against none, averaged over a
small and a large δ:

    E_n(δ) = e^(−nδ²/2) ∫ u^(n−1) e^(−u²/2 + δru) du / ∫ u^(n−1) e^(−u²/2) du,    r = Σ(x−margin) / √Σ(x−margin)²

At the last look nothing can be kept for later, so all of it is bet on one t test of the seeds since the look before:
the evidence is E_before / p. A look confirms when the evidence reaches 1/level.

Why the error is at most the level, however many looks there are: if the mean gain equals the margin, E is a martingale
of the scale-invariant statistics with mean 1, and a last step that pays 1/(level · E) times as much if p ≤ level · E
keeps it one. By Ville's inequality it ever reaches 1/level with probability at most the level. For a lower mean,
subtract the difference from every gain: no r grows and no p falls, so no evidence grows.

Sources: Pérez-Ortiz, Lardy, de Heide and Grünwald, 2208.07610 (right Haar prior on the variance); Wang and Ramdas,
2310.03722 (anytime-valid t tests and confidence sequences); Ramdas et al., 2210.01948 (e-processes and betting).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, fsum, inf, isfinite, lgamma, log, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from agents.analysis.evidence.student_t import t_cdf

TYPICAL_Z = sqrt(10.0)
"""z statistic at the last look for which the test is sharpest: √(2·ln(1/level)) at level 1/150, which is a campaign's
level of 0.05 shared by about eight candidates."""
SMALL_EFFECT_WEIGHT = 0.8
"""Weight of the small effect. The rest is on an effect three times as large, so that a clear gain needs few seeds."""
LARGE_TO_SMALL = 3.0
NODES = 72
"""Nodes of the integral on each side of its centre."""
STEP = 0.25
"""Distance of nodes in units of 1/√n; the trapezoid rule is then exact to ten digits."""
BISECTIONS = 60
MARGIN_BISECTIONS = 36
WIDEST_ERRORS = 20.0
"""Standard errors around the mean within which a bound is sought."""
SMALLEST_P = 1e-12
"""p values below this are counted as this: the distribution function has few digits left there."""
MOST_EVIDENCE = 1e100
"""Evidence beyond this is counted as this, so that figures stay finite; no level asks for nearly as much."""


class Effect(NamedTuple):
    """An effect that the test bets on."""

    size: float
    """Mean gain above the margin, in standard deviations of a paired gain."""
    weight: float
    """Share of the bet."""


def effects(last_look: int) -> tuple[Effect, ...]:
    """Return the effects to bet on, sharpest at the last look's number of seeds; fixed before any gain is seen."""
    small = TYPICAL_Z / sqrt(last_look)
    return (Effect(small, SMALL_EFFECT_WEIGHT), Effect(LARGE_TO_SMALL * small, 1.0 - SMALL_EFFECT_WEIGHT))


def evidence(gains: Sequence[float], margin: float, looks: Sequence[int], *, is_last: bool) -> float:
    """Return the evidence of gains [seeds] for a mean above the margin: 1 is none, 1/level confirms at a level.

    `looks` are the plan's numbers of seeds, rising. At the last look, the seeds since the look before are tested; if
    there are fewer than two of them, the e-value of all counts.
    """
    before = split(looks)
    if not is_last or len(gains) - before < 2:
        return e_value(gains, margin, looks[-1])
    p = t_test(gains[before:], margin)
    return min((e_value(gains[:before], margin, looks[-1]) if before else 1.0) / max(p, SMALLEST_P), MOST_EVIDENCE)


def split(looks: Sequence[int]) -> int:
    """Return the number of seeds at the look before the last, 0 for a single look."""
    return looks[-2] if len(looks) > 1 else 0


def t_test(gains: Sequence[float], margin: float) -> float:
    """Return the one-sided p value of Student's t test for a mean above the margin, from at least two gains."""
    error = stdev(gains) / sqrt(len(gains))
    above = fmean(gains) - margin
    return t_cdf(-above / error, len(gains) - 1) if error else float(above <= 0.0)


def e_value(gains: Sequence[float], margin: float, last_look: int) -> float:
    """Return the e-value of gains [seeds] against a mean of at most the margin."""
    above = [gain - margin for gain in gains]
    length = sqrt(fsum(value * value for value in above))
    return e_value_of_ratio(fsum(above) / length if length else 0.0, len(gains), last_look)


def lower_bound(gains: Sequence[float], level: float, looks: Sequence[int], *, is_last: bool) -> float:
    """Return the lower confidence bound of the mean gain: the evidence against every margin below it confirms.

    The bounds of all looks hold together with probability 1 − level. −∞ if so few gains can't bound it; the mean if all
    gains are equal.
    """
    mean, error = fmean(gains), stdev(gains) / sqrt(len(gains))
    if not error:
        return mean
    if not is_last:
        critical = critical_t(len(gains), level, looks[-1])
        return mean - critical * error if isfinite(critical) else -inf

    def confirms(margin: float) -> bool:
        return evidence(gains, margin, looks, is_last=True) * level >= 1.0

    low, high = mean - WIDEST_ERRORS * error, mean + WIDEST_ERRORS * error
    if not confirms(low):
        return -inf
    for _ in range(MARGIN_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if confirms(middle) else (low, middle)
    return low


def upper_bound(gains: Sequence[float], level: float, looks: Sequence[int], *, is_last: bool) -> float:
    """Return the upper confidence bound of the mean gain, in the same sense."""
    return -lower_bound([-gain for gain in gains], level, looks, is_last=is_last)


@lru_cache(maxsize=4096)
def critical_t(seeds: int, level: float, last_look: int) -> float:
    """Return the t statistic of `seeds` gains at which their e-value is 1/level; ∞ if no t reaches it."""
    highest = sqrt(seeds)
    if seeds < 2 or e_value_of_ratio(highest, seeds, last_look) <= 1.0 / level:
        return inf
    low, high = 0.0, highest
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if e_value_of_ratio(middle, seeds, last_look) < 1.0 / level else (low, middle)
    return high * sqrt((seeds - 1) / max(seeds - high * high, 1e-300))


def e_value_of_ratio(ratio: float, seeds: int, last_look: int) -> float:
    """Return the e-value of r = Σx / √Σx², which lies in [−√seeds, √seeds]."""
    return fsum(effect.weight * _likelihood_ratio(effect.size, ratio, seeds) for effect in effects(last_look))


def _likelihood_ratio(effect: float, ratio: float, seeds: int) -> float:
    """Return E_n(δ), by the trapezoid rule in x = ln u around the integrand's mode."""
    shift = effect * ratio
    centre = log(0.5 * (shift + sqrt(shift * shift + 4.0 * seeds)))
    step = STEP / sqrt(seeds)
    nodes = [centre + k * step for k in range(-NODES, NODES + 1)]
    exponents = [seeds * x - 0.5 * u * u + shift * u for x in nodes for u in (exp(x),)]
    highest = max(exponents)
    log_integral = highest + log(step * fsum(exp(exponent - highest) for exponent in exponents))
    log_null = (0.5 * seeds - 1.0) * log(2.0) + lgamma(0.5 * seeds)
    return exp(min(log_integral - log_null - 0.5 * seeds * effect * effect, log(MOST_EVIDENCE)))
