"""A sender who floods an inbox is read at a steady rate, and nobody else waits."""

from datetime import UTC, datetime, timedelta

import pytest

from bus.delivery.throttle import NOTICE_INTERVAL_S, Admission, Rate, Throttle

RATE = Rate(burst=3, per_second=2.0, sender=lambda subject: subject.rsplit(".", 1)[-1])
START = datetime(2026, 1, 1, tzinfo=UTC)
READ, REFUSE, DROP = Admission.READ, Admission.REFUSE, Admission.DROP


def judge(throttle: Throttle, count: int, after_s: float = 0.0, interval_s: float = 0.0) -> list[Admission]:
    """Return what happens to Ada's messages, the first of which the stream stored `after_s` seconds after the start."""
    times = (START + timedelta(seconds=after_s + number * interval_s) for number in range(count))
    return [throttle.judge("x.ada", time) for time in times]


def test_a_burst_is_read_and_the_rest_refused_once() -> None:
    """The first message too many is answered, those after it are dropped."""
    assert judge(Throttle(RATE), 6) == [READ] * 3 + [REFUSE] + [DROP] * 2


def test_each_sender_has_a_bucket() -> None:
    """Subjects of one sender share it."""
    throttle = Throttle(RATE)
    judge(throttle, 10)
    assert throttle.judge("y.ada", START) is DROP
    assert throttle.judge("x.bob", START) is READ


def test_a_bucket_fills_with_time_and_no_further() -> None:
    """A second gives two messages, an hour no more than a burst; then there is an answer again."""
    throttle = Throttle(RATE)
    judge(throttle, 10)
    assert judge(throttle, 3, after_s=1.0) == [READ, READ, DROP]
    assert judge(throttle, 4, after_s=360 * NOTICE_INTERVAL_S) == [READ] * 3 + [REFUSE]


def test_what_was_said_slowly_is_read_at_once() -> None:
    """A stopped lab finds an hour's messages in its inbox: their own times count, not that of the reading."""
    assert judge(Throttle(RATE), 40, interval_s=90.0) == [READ] * 40


@pytest.mark.parametrize("after_s", [-1.0, -3600.0])
def test_a_clock_that_is_set_back_takes_no_tokens(after_s: float) -> None:
    """From there on the bucket fills as before."""
    throttle = Throttle(RATE)
    judge(throttle, 4)
    assert READ not in judge(throttle, 1, after_s)
    assert judge(throttle, 3, after_s + 1.0)[:2] == [READ, READ]


def test_without_a_rate_everything_is_read() -> None:
    """Roles that read the log have none."""
    assert set(judge(Throttle(None), 1000)) == {READ}
