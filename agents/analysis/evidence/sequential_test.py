"""An e-process over paired gains: is the mean gain above a margin, with looks at any time and an unknown variance?

For gains x_1 … x_n of independent seeds, taken as normal, the e-value is the likelihood ratio of the t statistic for an
effect of δ standard deviations against none, averaged over a large and a small δ:

    E_n(δ) = e^(−nδ²/2) ∫ u^(n−1) e^(−u²/2 + δru) du / ∫ u^(n−1) e^(−u²/2) du,    r = Σ(x−margin) / √Σ(x−margin)²

If the mean gain is at most the margin, E has a mean of at most 1 at any stopping time, so P(E ever ≥ 1/level) ≤ level
(Ville). For a mean equal to the margin, E is a martingale in the scale-invariant filtration. For a lower mean, subtract
the difference from every gain: no r grows, so no E does.

Sources: Pérez-Ortiz, Lardy, de Heide and Grünwald, 2208.07610 (right Haar prior on the variance); Wang and Ramdas,
2310.03722 (anytime-valid t tests and confidence sequences); Ramdas et al., 2210.01948 (e-processes).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, fsum, inf, isfinite, lgamma, log, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

TYPICAL_Z = sqrt(10.0)
"""z statistic at the last look for which the test is sharpest: √(2·ln(1/level)) at level 1/150, which is a campaign's
level of 0.05 shared by about eight candidates."""
SMALL_EFFECT_WEIGHT = 0.8
"""Weight of the small effect. The rest is on an effect three times as large, so that a clear gain needs few seeds."""
LARGE_TO_SMALL = 3.0
NODES = 112
"""Nodes of the integral on each side of its centre."""
STEP = 0.25
"""Distance of nodes in units of 1/√n; the trapezoid rule is then exact to eleven digits."""
BISECTIONS = 60


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


def e_value(gains: Sequence[float], margin: float, last_look: int) -> float:
    """Return the evidence of gains [seeds] for a mean above the margin: 1 is none, 1/level confirms at a level."""
    above = [gain - margin for gain in gains]
    length = sqrt(fsum(value * value for value in above))
    return _e_value_of_ratio(fsum(above) / length if length else 0.0, len(gains), last_look)


def lower_bound(gains: Sequence[float], level: float, last_look: int) -> float:
    """Return the lower confidence bound of the mean gain: every margin below it has an e-value above 1/level.

    The bounds of all looks hold together with probability 1 − level. −∞ if so few gains can't bound it.
    """
    critical = critical_t(len(gains), level, last_look)
    return fmean(gains) - critical * stdev(gains) / sqrt(len(gains)) if isfinite(critical) else -inf


def upper_bound(gains: Sequence[float], level: float, last_look: int) -> float:
    """Return the upper confidence bound of the mean gain, in the same sense."""
    return -lower_bound([-gain for gain in gains], level, last_look)


@lru_cache(maxsize=4096)
def critical_t(seeds: int, level: float, last_look: int) -> float:
    """Return the t statistic of `seeds` gains at which the e-value is 1/level; ∞ if no t reaches it."""
    highest = sqrt(seeds)
    if seeds < 2 or _e_value_of_ratio(highest, seeds, last_look) <= 1.0 / level:
        return inf
    low, high = 0.0, highest
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _e_value_of_ratio(middle, seeds, last_look) < 1.0 / level else (low, middle)
    return high * sqrt((seeds - 1) / max(seeds - high * high, 1e-300))


def _e_value_of_ratio(ratio: float, seeds: int, last_look: int) -> float:
    """Return the e-value of r = Σx / √Σx², which lies in [−√seeds, √seeds]."""
    return fsum(effect.weight * _likelihood_ratio(effect.size, ratio, seeds) for effect in effects(last_look))


def _likelihood_ratio(effect: float, ratio: float, seeds: int) -> float:
    """Return E_n(δ), by the trapezoid rule in x = ln u around the integrand's mode."""
    shift = effect * ratio
    centre = log(0.5 * (shift + sqrt(shift * shift + 4.0 * seeds)))
    step = STEP / sqrt(seeds)
    nodes = (exp(centre + k * step) for k in range(-NODES, NODES + 1))
    exponents = [seeds * log(u) - 0.5 * u * u + shift * u for u in nodes]
    highest = max(exponents)
    log_integral = highest + log(step * fsum(exp(exponent - highest) for exponent in exponents))
    log_null = (0.5 * seeds - 1.0) * log(2.0) + lgamma(0.5 * seeds)
    return exp(log_integral - log_null - 0.5 * seeds * effect * effect)
