"""How a service is doing: what it counts about itself, told by `bus.nats.micro`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Vitals:
    """What a service counts about itself."""

    in_flight: int = 0
    """Decisions or answers under way."""
    done: int = 0
    """Decisions or answers finished."""
    failed: int = 0
    """Of these, the ones that ended in an error."""
    lag: int = 0
    """Messages that waited behind the one taken last."""
    last_error: str = ""
    """The newest error, in one line."""
    measure_lag: Callable[[], int] | None = None
    """Says the lag where it is not known from messages taken."""

    def record_error(self, reason: object) -> None:
        """Count an error."""
        self.failed += 1
        self.last_error = " ".join(str(reason).split())[:300]

    def report(self) -> dict[str, Any]:
        """Return the vitals for a program."""
        return {
            "lag": self.measure_lag() if self.measure_lag else self.lag,
            "in_flight": self.in_flight,
            "done": self.done,
            "failed": self.failed,
            "last_error": self.last_error,
        }
