"""How often a placebo passed, with what that says of the rate of false discoveries: a baseline has no gain."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

PASSED, FAILED = "placebo passed", "placebo failed"
"""Standings of a placebo whose climb has ended."""


@dataclass(frozen=True, slots=True)
class PlaceboRate:
    """The measured rate."""

    passed: int
    ended: int
    interval: tuple[float, float] | None
    """Exact 95 % interval of the rate (Clopper and Pearson 1934); None before a climb has ended."""


def placebo_rate(standings: Sequence[str]) -> PlaceboRate:
    """Return the rate over the standings of placebos; those that still climb do not count."""
    passed, ended = standings.count(PASSED), sum(standing in {PASSED, FAILED} for standing in standings)
    if not ended:
        return PlaceboRate(0, 0, None)
    low, high = stats.binomtest(passed, ended).proportion_ci(method="exact")
    return PlaceboRate(passed, ended, (float(low), float(high)))
