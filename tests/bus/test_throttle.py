"""A sender who floods an inbox is read at a steady rate, and nobody else waits."""

from bus.delivery.throttle import NOTICE_INTERVAL_S, Admission, Rate, Throttle

RATE = Rate(burst=3, per_second=2.0, sender=lambda subject: subject.rsplit(".", 1)[-1])


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_read_and_the_rest_refused_once() -> None:
    """The first message too many is answered, those after it are dropped."""
    throttle = Throttle(RATE, Clock())
    admissions = [throttle.judge("x.ada") for _ in range(6)]
    assert admissions == [Admission.READ] * 3 + [Admission.REFUSE] + [Admission.DROP] * 2


def test_each_sender_has_a_bucket() -> None:
    """Subjects of one sender share it."""
    throttle = Throttle(RATE, Clock())
    for _ in range(10):
        throttle.judge("x.ada")
    assert throttle.judge("y.ada") is Admission.DROP
    assert throttle.judge("x.bob") is Admission.READ


def test_a_bucket_fills_with_time_and_no_further() -> None:
    """A second gives two messages, an hour no more than a burst; then there is an answer again."""
    clock = Clock()
    throttle = Throttle(RATE, clock)
    for _ in range(10):
        throttle.judge("x.ada")
    clock.now += 1.0
    assert [throttle.judge("x.ada") for _ in range(3)] == [Admission.READ, Admission.READ, Admission.DROP]
    clock.now += 360 * NOTICE_INTERVAL_S
    assert [throttle.judge("x.ada") for _ in range(4)] == [Admission.READ] * 3 + [Admission.REFUSE]


def test_without_a_rate_everything_is_read() -> None:
    """Roles that read the log have none."""
    throttle = Throttle(None)
    assert {throttle.judge("x.ada") for _ in range(1000)} == {Admission.READ}
