"""A circuit breaker: after failures in a row, a model at an endpoint gets no request for a while, then one as a trial.

So a lab whose endpoint is down goes on with the grammar at once, and does not wait for a timeout with every decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

FAILURES_TO_OPEN = 4
"""Answers in a row that the endpoint failed to give before the circuit opens."""
FIRST_PAUSE_S = 20.0
MAX_PAUSE_S = 600.0
"""Longest pause; each failed trial doubles it."""

CircuitState = Literal["closed", "open", "trial"]


@dataclass(slots=True)
class CircuitBreaker:
    """The circuit of a model at an endpoint: closed, open, or open with a trial under way."""

    clock: Callable[[], float] = field(default=monotonic, repr=False)
    """Seconds; replaced in tests."""
    failures: int = 0
    """Failures in a row."""
    trial: bool = False
    """Whether a request is under way that decides whether the circuit closes."""
    pause_s: float = FIRST_PAUSE_S
    opened_at: float | None = None

    @property
    def state(self) -> CircuitState:
        """What the circuit is now."""
        if self.opened_at is None:
            return "closed"
        return "trial" if self.trial else "open"

    def wait_s(self) -> float:
        """Return 0 if a request may be made now, otherwise the seconds until a trial. The caller makes that request."""
        if self.opened_at is None:
            return 0.0
        left = self.opened_at + self.pause_s - self.clock()
        if left > 0 or self.trial:
            return max(left, 1.0)
        self.trial = True
        return 0.0

    def succeed(self) -> None:
        """Close the circuit: the endpoint has answered."""
        self.failures, self.trial, self.opened_at, self.pause_s = 0, False, None, FIRST_PAUSE_S

    def fail(self) -> None:
        """Count a failure; open the circuit after several, or after a failed trial."""
        self.failures += 1
        if self.trial:
            self.pause_s = min(MAX_PAUSE_S, 2 * self.pause_s)
        if self.trial or self.failures >= FAILURES_TO_OPEN:
            self.trial, self.opened_at = False, self.clock()

    def abandon(self) -> None:
        """End a trial that said nothing about the endpoint, as a cancelled one."""
        self.trial = False
