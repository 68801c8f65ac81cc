"""Student's t distribution for whole degrees of freedom, in pure Python: agents load no SciPy.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4 (finite sums).
"""

from functools import lru_cache
from math import atan, cos, pi, sin, sqrt

BISECTIONS = 80
"""Halvings of an interval, after which a double has no further digits."""


def t_cdf(t: float, degrees: int) -> float:
    """Return P(T ≤ t) for `degrees` ≥ 1 degrees of freedom."""
    theta = atan(t / sqrt(degrees))
    cosine = cos(theta)
    odd = degrees % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return 0.5 + 0.5 * sin(theta) * total
    return 0.5 + (theta + (sin(theta) * total if degrees > 1 else 0.0)) / pi


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """Return the t with P(T ≤ t) = `probability`, which lies in (0, 1)."""
    high = 1.0
    while t_cdf(high, degrees) < max(probability, 1.0 - probability):
        high *= 2.0
    low = -high
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if t_cdf(middle, degrees) < probability else (low, middle)
    return 0.5 * (low + high)
