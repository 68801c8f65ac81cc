"""A histogram of durations, as Prometheus counts them."""

from bisect import bisect_left
from typing import Any

BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
"""Upper bounds of the buckets; longer durations are in one more bucket."""


class Durations:
    """How long one kind of work took."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one piece of work."""
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum += seconds

    def report(self) -> dict[str, Any]:
        """Return the number of durations in each bucket, and their sum in seconds."""
        return {"counts": list(self._counts), "sum": round(self._sum, 6)}
