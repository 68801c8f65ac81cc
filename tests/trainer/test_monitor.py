"""The live monitor on constructed curves: each kind of anomaly is seen where it is, and an honest run is left alone."""

import math
from dataclasses import replace

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
        warmup_steps=20,
        memory_growth_mb=8.0,
    ),
)
PEER = Peer(step_seconds=0.01, text_loss=2.0)
FLOOR = 0.6
SIZES = {"text": 1.0}


def watch(
    texts: list[float], *, recall: float = 3.0, seconds: float = 0.01, peer: Peer | None = PEER
) -> AnomalyFinding | None:
    """Return the first finding on a run whose text losses are read every five steps."""
    monitor = Monitor(SCALE, FLOOR, SIZES, peer)
    for number, loss in enumerate(texts, 1):
        found = monitor.observe(Reading(5 * number, {"recall": recall, "text": loss}, seconds))
        if found:
            return found
    return None


def falling(end: float) -> list[float]:
    return [5.5 + (end - 5.5) * (number / 20) ** 0.5 for number in range(1, 21)]


def test_an_honest_run_is_left_alone():
    """Falling to the baselines' loss at the baselines' pace, with recall at chance, is no anomaly."""
    assert watch(falling(2.0)) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_seen_at_once(loss: float):
    """The step is the reading's."""
    found = watch([5.0, loss])
    assert found is not None
    assert (found.kind, found.step) == ("not_finite", 10)


def test_divergence_needs_patience():
    """Two readings above are a spike, three are a divergence."""
    assert watch([5.0, 4.0, 3.0, 5.0, 5.0, 3.0, 3.0]) is None
    found = watch([5.0, 4.0, 3.0, 5.0, 5.0, 5.0])
    assert found is not None
    assert (found.kind, found.step) == ("diverged", 30)


def test_no_divergence_within_the_warm_up():
    """Early losses jump while the learning rate rises."""
    assert watch([3.0, 5.0]) is None


def test_a_harder_level_of_recall_is_no_divergence():
    """A weak mixer's loss jumps when the task gets harder, and stays up; that is honest."""
    monitor = Monitor(SCALE, FLOOR, SIZES, PEER)
    for step in range(5, 101, 5):
        recall = (0.2, 2.3, 3.0, 3.6)[SCALE.level("recall", step - 1)]
        assert monitor.observe(Reading(step, {"recall": recall, "text": 4.0 - step / 50}, 0.01)) is None


def test_a_text_loss_that_does_not_move_is_a_stall_by_half_of_the_steps():
    """Not before, since the first steps may be slow."""
    found = watch([5.5] * 20)
    assert found is not None
    assert (found.kind, found.step) == ("stalled", 50)


def test_a_loss_below_the_entropy_floor_is_not_believed():
    """Whatever the baselines did, and however late."""
    found = watch([*falling(2.0)[:18], 0.5], peer=None)
    assert found is not None
    assert (found.kind, found.step) == ("loss_too_low", 95)


def test_a_loss_below_zero_is_not_believed_on_any_task():
    """Cross-entropy has no negative values."""
    found = watch([5.0], recall=-0.1)
    assert found is not None
    assert found.kind == "loss_too_low"


def test_an_early_text_loss_clearly_below_the_best_baselines_last_is_not_believed():
    """1.7 is below 0.9 × 2.0: at step 25 a leak, in the second half a good architecture."""
    found = watch([5.0, 4.0, 3.0, 2.0, 1.7])
    assert found is not None
    assert (found.kind, found.step) == ("loss_too_low", 25)
    assert watch([*falling(2.0)[:12], 1.7]) is None


def test_too_slow_is_judged_after_enough_steps_by_the_median():
    """31 ms against the peers' 10 ms; the verdict waits for step 20."""
    found = watch(falling(2.0), seconds=0.031)
    assert found is not None
    assert (found.kind, found.step) == ("too_slow", 20)


def test_one_slow_reading_is_the_machines_fault():
    """The median does not move."""
    monitor = Monitor(SCALE, FLOOR, SIZES, PEER)
    times = [0.01, 0.01, 9.0, 0.01, 0.01, 0.01]
    readings = [Reading(5 * n, {"text": 5.0 - n / 2, "recall": 3.0}, s) for n, s in enumerate(times, 1)]
    assert [monitor.observe(reading) for reading in readings] == [None] * 6


def test_without_a_peer_speed_is_not_judged():
    """The first baseline has nobody to be compared with."""
    assert watch(falling(2.0), seconds=100.0, peer=None) is None


def hold(mib: list[float | None]) -> AnomalyFinding | None:
    """Return the first finding on a run that holds so much at its readings, five steps apart, and is honest else."""
    monitor = Monitor(SCALE, FLOOR, PEER)
    for number, (loss, held) in enumerate(zip(falling(2.0), mib, strict=False), 1):
        memory = None if held is None else int(held * 2**20)
        found = monitor.observe(Reading(5 * number, {"recall": 3.0, "text": loss}, 0.01, memory))
        if found:
            return found
    return None


def test_memory_that_grows_from_third_to_third_is_seen_once_the_run_has_settled():
    """3 MiB a reading: nine readings from step 20 on, with their thirds 9 MiB apart, are enough."""
    found = hold([30.0 + 3 * n for n in range(20)])
    assert found is not None
    assert (found.kind, found.step) == ("memory_growth", 60)
    assert found.evidence == "memory grows by 60.0 MiB in 100 steps: 42 MiB, then 51, now 60"


@pytest.mark.parametrize(
    "mib",
    [
        pytest.param([30.0 + 6 * (n % 2) for n in range(20)], id="it swings"),
        pytest.param([30.0 if n < 11 else 90.0 for n in range(20)], id="one jump"),
        pytest.param([500.0 - 20 * n for n in range(20)], id="it falls"),
        pytest.param([30.0 + min(n, 3) * 50 for n in range(20)], id="it grows before it has settled"),
        pytest.param([30.0 + n for n in range(20)], id="it creeps"),
        pytest.param([None] * 20, id="it can't be read"),
    ],
)
def test_memory_that_an_honest_run_may_hold_is_no_anomaly(mib: list[float | None]):
    """Only growth that goes on is."""
    assert hold(mib) is None


def test_the_evidence_holds_the_figures():
    """A reader, or a repair, sees what was compared with what."""
    found = watch(falling(2.0), seconds=0.05)
    assert found is not None
    assert found.evidence == "a step takes 50.0 ms of CPU, the baselines' 10.0 ms"
