"""The live monitor on constructed curves: it finds each kind of anomaly at its step, and none in an honest run."""

import math
from dataclasses import replace
from statistics import fmean

import pytest

from bus.vocabulary.events import Peer
from trainer.run.monitor import AnomalyFinding, Monitor, Reading
from trainer.scales import load

NANO = load("nano")
SCALE = replace(
    NANO,
    steps=100,
    warmup_steps=10,
    monitor=replace(
        NANO.monitor,
        reading_interval=5,
        divergence_nats=1.5,
        divergence_readings=3,
        min_progress=0.1,
        leak_ratio=0.9,
        slow_ratio=3.0,
        forward_ratio=5.0,
        gradient_ratio=1.5,
        warmup_steps=20,
        memory_growth_mb=8.0,
    ),
)
PEER = Peer(step_seconds=0.01, text_loss=2.0)
FLOOR = 0.6
BYTES_PER_TOKEN = {"text": 1.0}


def observe_losses(
    text: list[float], *, recall: float = 3.0, seconds: float = 0.01, peer: Peer | None = PEER
) -> AnomalyFinding | None:
    """Return the first finding on a run with these text losses, one reading every five steps."""
    monitor = Monitor(SCALE, FLOOR, BYTES_PER_TOKEN, peer)
    for number, loss in enumerate(text, 1):
        finding = monitor.observe(Reading(5 * number, {"recall": recall, "text": loss}, seconds))
        if finding:
            return finding
    return None


def falling(end: float) -> list[float]:
    """Return twenty losses that fall from 5.5 to `end`."""
    return [5.5 + (end - 5.5) * (number / 20) ** 0.5 for number in range(1, 21)]


def test_an_honest_run_has_no_anomaly():
    """It reaches the baselines' loss at the baselines' step time; its recall may stay at chance."""
    assert observe_losses(falling(2.0)) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_found_at_once(loss: float):
    """The finding has the step of the reading."""
    finding = observe_losses([5.0, loss])
    assert finding is not None
    assert (finding.kind, finding.step) == ("not_finite", 10)


def test_divergence_needs_three_readings():
    """Two high readings in a row are a spike."""
    assert observe_losses([5.0, 4.0, 3.0, 5.0, 5.0, 3.0, 3.0]) is None
    finding = observe_losses([5.0, 4.0, 3.0, 5.0, 5.0, 5.0])
    assert finding is not None
    assert (finding.kind, finding.step) == ("diverged", 30)


def test_no_divergence_during_warm_up():
    """Early losses jump while the learning rate rises."""
    assert observe_losses([3.0, 5.0]) is None


@pytest.mark.parametrize("interval", [5, 7])
def test_a_harder_level_of_recall_is_no_divergence(interval: int):
    """If the task gets harder, the loss of a weak mixer may rise and stay high, also if a reading spans two levels."""
    monitor = Monitor(SCALE, FLOOR, BYTES_PER_TOKEN, PEER)
    for step in range(interval, 101, interval):
        steps = range(step - interval, step)
        recall = fmean((0.2, 3.0, 3.1, 3.6)[SCALE.level("recall", at)] for at in steps)
        assert monitor.observe(Reading(step, {"recall": recall, "text": 4.0 - step / 50}, 0.01)) is None


def test_a_text_loss_that_does_not_move_is_a_stall_by_half_of_the_steps():
    """Not earlier, since progress may be slow at first."""
    finding = observe_losses([5.5] * 20)
    assert finding is not None
    assert (finding.kind, finding.step) == ("stalled", 50)


def test_a_loss_below_the_entropy_floor_is_an_anomaly():
    """It is one at any step, with a peer or without."""
    finding = observe_losses([*falling(2.0)[:18], 0.5], peer=None)
    assert finding is not None
    assert (finding.kind, finding.step) == ("loss_too_low", 95)


def test_a_loss_below_zero_is_an_anomaly_on_any_task():
    """Cross-entropy is never negative."""
    finding = observe_losses([5.0], recall=-0.1)
    assert finding is not None
    assert finding.kind == "loss_too_low"


def test_an_early_text_loss_clearly_below_the_best_baselines_final_one_is_an_anomaly():
    """A loss of 1.7 is below 0.9 × 2.0: at step 25 it shows a leak, in the second half a good architecture."""
    finding = observe_losses([5.0, 4.0, 3.0, 2.0, 1.7])
    assert finding is not None
    assert (finding.kind, finding.step) == ("loss_too_low", 25)
    assert observe_losses([*falling(2.0)[:12], 1.7]) is None


def test_a_slow_run_is_found_after_the_monitors_warm_up():
    """The median step takes 31 ms, the peer's 10 ms; the rule applies from step 20 on."""
    finding = observe_losses(falling(2.0), seconds=0.031)
    assert finding is not None
    assert (finding.kind, finding.step) == ("too_slow", 20)


def test_one_slow_reading_is_no_anomaly():
    """The median stays the same."""
    monitor = Monitor(SCALE, FLOOR, BYTES_PER_TOKEN, PEER)
    times = [0.01, 0.01, 9.0, 0.01, 0.01, 0.01]
    readings = [Reading(5 * n, {"text": 5.0 - n / 2, "recall": 3.0}, s) for n, s in enumerate(times, 1)]
    assert [monitor.observe(reading) for reading in readings] == [None] * 6


def test_without_a_peer_speed_is_not_judged():
    """The first baseline has no peer."""
    assert observe_losses(falling(2.0), seconds=100.0, peer=None) is None


def observe_memory(mib: list[float | None]) -> AnomalyFinding | None:
    """Return the first finding on an otherwise honest run with this memory, one reading every five steps."""
    monitor = Monitor(SCALE, FLOOR, BYTES_PER_TOKEN, PEER)
    for number, (loss, memory_mib) in enumerate(zip(falling(2.0), mib, strict=True), 1):
        memory_bytes = None if memory_mib is None else int(memory_mib * 2**20)
        finding = monitor.observe(Reading(5 * number, {"recall": 3.0, "text": loss}, 0.01, memory_bytes))
        if finding:
            return finding
    return None


def test_memory_that_grows_from_third_to_third_is_an_anomaly():
    """If each reading adds 3 MiB, nine readings from step 20 on are enough: their thirds differ by 9 MiB."""
    finding = observe_memory([30.0 + 3 * n for n in range(20)])
    assert finding is not None
    assert (finding.kind, finding.step) == ("memory_growth", 60)
    assert finding.evidence == "memory grows by 60.0 MiB in 100 steps: 42 MiB, then 51, now 60"


@pytest.mark.parametrize(
    "mib",
    [
        pytest.param([30.0 + 6 * (n % 2) for n in range(20)], id="swings"),
        pytest.param([30.0 if n < 11 else 90.0 for n in range(20)], id="one jump"),
        pytest.param([500.0 - 20 * n for n in range(20)], id="falls"),
        pytest.param([30.0 + min(n, 3) * 50 for n in range(20)], id="grows during warm-up"),
        pytest.param([30.0 + n for n in range(20)], id="grows slowly"),
        pytest.param([None] * 20, id="unreadable"),
    ],
)
def test_memory_that_an_honest_run_may_hold_is_no_anomaly(mib: list[float | None]):
    """Swings, jumps and slow growth are no anomalies."""
    assert observe_memory(mib) is None


def test_the_evidence_has_the_compared_figures():
    """A reader, or a repair, sees both."""
    finding = observe_losses(falling(2.0), seconds=0.05)
    assert finding is not None
    assert finding.evidence == "a step takes 50.0 ms of CPU, the baselines' 10.0 ms"
