"""A limit for each sender of an inbox, so that one who floods it does not keep the others waiting.

Each sender has a bucket of tokens, which fills at a steady rate; a message takes one. The first message without a token
is refused with a reason. Those after it are dropped without a word for a while: to answer each would take as long as to
read it. All of them stay in the stream.

A bucket fills by the times at which the stream stored the messages. So a stopped lab, which reads at once what people
have said to it over an hour, reads as much as a running one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

NOTICE_INTERVAL_S = 10.0
"""Seconds between two messages of one sender whose refusals are answered."""


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
    filled_at: datetime
    told_at: datetime | None = None


class Throttle:
    """Judges messages as they come. Its buckets are full when the process starts."""

    def __init__(self, rate: Rate | None) -> None:
        """Keep to a rate; without one, read everything."""
        self._rate = rate
        self._buckets: dict[str, _Bucket] = {}

    def judge(self, subject: str, time: datetime) -> Admission:
        """Return what happens to a message on a subject, which the stream stored at a time, and count it."""
        if self._rate is None:
            return Admission.READ
        bucket = self._buckets.setdefault(self._rate.sender(subject), _Bucket(self._rate.burst, time))
        elapsed = max(0.0, (time - bucket.filled_at).total_seconds())  # a server's clock may be set back
        bucket.tokens = min(self._rate.burst, bucket.tokens + elapsed * self._rate.per_second)
        bucket.filled_at = time
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Admission.READ
        if bucket.told_at and abs((time - bucket.told_at).total_seconds()) < NOTICE_INTERVAL_S:
            return Admission.DROP
        bucket.told_at = time
        return Admission.REFUSE
