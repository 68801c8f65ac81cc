"""A share of simulated campaigns as text, with its interval."""

from collections.abc import Sequence

from scipy import stats


def share(hits: Sequence[bool]) -> str:
    """Return a share in percent with its Wilson interval."""
    low, high = stats.binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{100 * sum(hits) / len(hits):.1f} ({100 * low:.1f} to {100 * high:.1f})"
