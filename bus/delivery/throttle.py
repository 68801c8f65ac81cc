"""A limit for each sender of an inbox, so that one who floods it does not keep the others waiting.

Each sender has a bucket of tokens, which fills at a steady rate; a message takes one. The first message without a token
is refused with a reason. Those after it are dropped without a word for a while: to answer each would take as long as to
read it. All of them stay in the stream.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

NOTICE_INTERVAL_S = 10.0
"""Seconds between two refusals of one sender that are answered."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of each sender is read."""

    burst: int
    """Messages at once."""
    per_second: float
    """Messages a second in the long run."""
    sender: Callable[[str], str]
    """Returns the sender of a message from its subject."""

    @property
    def reason(self) -> str:
        """Return why a message is refused, for its sender."""
        return (
            f"too many messages: {self.burst} at once and {self.per_second:g} a second are read; those after this one "
            f"are dropped for {NOTICE_INTERVAL_S:g} s at most"
        )


class Admission(Enum):
    """What happens to a message."""

    READ = auto()
    REFUSE = auto()
    DROP = auto()


@dataclass(slots=True)
class _Bucket:
    """The tokens of one sender."""

    tokens: float
    filled_at: float
    told_at: float = float("-inf")


class Throttle:
    """Judges messages as they come. Its buckets are full when the process starts."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep to a rate; without one, read everything. `clock` counts seconds."""
        self._rate, self._clock = rate, clock
        self._buckets: dict[str, _Bucket] = {}

    def judge(self, subject: str) -> Admission:
        """Return what happens to a message on a subject, and count it."""
        if self._rate is None:
            return Admission.READ
        now = self._clock()
        bucket = self._buckets.setdefault(self._rate.sender(subject), _Bucket(self._rate.burst, now))
        bucket.tokens = min(self._rate.burst, bucket.tokens + (now - bucket.filled_at) * self._rate.per_second)
        bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Admission.READ
        if now - bucket.told_at < NOTICE_INTERVAL_S:
            return Admission.DROP
        bucket.told_at = now
        return Admission.REFUSE
