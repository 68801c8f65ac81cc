"""What a service counts about itself; `bus.nats.micro` publishes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MAX_ERROR_CHARACTERS = 300


@dataclass
class Vitals:
    """The counters of one service."""

    in_flight: int = 0
    """Decisions or answers in progress."""
    done: int = 0
    """Decisions or answers finished."""
    failed: int = 0
    """Those of `done` that ended in an error."""
    lag: int = 0
    """Messages that still waited when the newest one was pulled."""
    last_error: str = ""
    """The newest error, in one line."""
    measure_lag: Callable[[], int] | None = None
    """Returns the lag of a service that does not pull its messages."""

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a decision or an answer: in flight during the context, then done."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self.done += 1

    def record_error(self, reason: object) -> None:
        """Count an error and keep its text."""
        self.failed += 1
        self.last_error = " ".join(str(reason).split())[:MAX_ERROR_CHARACTERS]

    def report(self) -> dict[str, Any]:
        """Return the vitals as JSON values."""
        return {
            "lag": self.measure_lag() if self.measure_lag else self.lag,
            "in_flight": self.in_flight,
            "done": self.done,
            "failed": self.failed,
            "last_error": self.last_error,
        }
