"""When a run counts as waiting: if it sleeps, and not if others have the processors that it needs."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.idle_time import IdleTime
from sandbox.usage import process_usage

STATUS = "RssAnon: 0 kB\nThreads: {}\n"
STAT = "7 (a (run) R) {} " + " ".join("0" * 20)


@pytest.mark.parametrize(
    ("cpu_share", "is_runnable", "expected_s"),
    [
        (0.01, lambda look: False, 10.0),
        (0.01, lambda look: True, 0.0),
        (0.01, lambda look: look % 10 == 0, 10.0),
        (0.5, lambda look: False, 0.0),
    ],
    ids=["sleeps", "starves", "wakes for a moment", "computes"],
)
def test_only_a_run_that_sleeps_waits(cpu_share: float, is_runnable: Callable[[int], bool], expected_s: float):
    """A starved run gets as little of a processor, but it stands in the queue at nearly every look."""
    idle = IdleTime(now_s=0.0, limit_s=60.0)
    for look in range(1, 161):
        idle.count(look / 16, cpu_share * look / 16, runnable=is_runnable(look))
    assert idle.seconds == expected_s


@pytest.mark.parametrize(("states", "expected"), [("S", False), ("R", True), ("SSR", True), ("SSS", False)])
def test_a_process_is_runnable_if_one_of_its_threads_is(tmp_path: Path, states: str, expected: bool):
    """Its own stat has the state of the first thread; its name may look like a state."""
    (tmp_path / "status").write_text(STATUS.format(len(states)))
    (tmp_path / "stat").write_text(STAT.format(states[0]))
    for number, state in enumerate(states):
        (tmp_path / "task" / str(number)).mkdir(parents=True)
        (tmp_path / "task" / str(number) / "stat").write_text(STAT.format(state))
    assert process_usage(tmp_path).runnable is expected


def test_the_kernels_own_table_says_so_of_this_process():
    """It computes while it asks; so it does if the thread that asks is not the first."""
    found: list[bool] = []
    asking = threading.Thread(target=lambda: found.append(process_usage(Path("/proc/self")).runnable))
    asking.start()
    asking.join()
    assert [*found, process_usage(Path("/proc/self")).runnable] == [True, True]
