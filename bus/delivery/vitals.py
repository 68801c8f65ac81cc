"""What a service counts about itself; `bus.nats.micro` publishes it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from bus.delivery.durations import Durations

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
    queue_age_s: float = 0.0
    """How long the newest pulled message had waited; 0 once none waits."""
    draining: bool = False
    """Whether the service ends after the work in hand."""
    facts: Callable[[], Mapping[str, Any]] = dict
    """Returns further facts about the service, such as those of its host."""
    _durations: defaultdict[str, Durations] = field(default_factory=lambda: defaultdict(Durations))
    _start_s: float = field(default_factory=monotonic)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a decision or an answer: in flight during the context, then done."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self.done += 1

    @contextmanager
    def timed(self, work: str) -> Iterator[None]:
        """Count how long a kind of work takes: that of the context, if it ends without an error."""
        start = monotonic()
        yield
        self._durations[work].add(monotonic() - start)

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
            "queue_age_s": round(self.queue_age_s, 3),
            "uptime_s": round(monotonic() - self._start_s, 1),
            "draining": self.draining,
            "durations": {work: durations.report() for work, durations in self._durations.items()},
            **self.facts(),
        }
