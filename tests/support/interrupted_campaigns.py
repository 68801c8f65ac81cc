"""Campaigns that signals end at moments of their start, run and end.

`python -m tests.support.interrupted_campaigns 200` is the longer form of `tests/lab/test_endings.py`.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.home import Home
from tests.support.labs import ROOT, processes_of

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_END_S = 20.0
"""Seconds that an end may take; past `lab.endings.GRACE_S` the process kills its children and leaves."""
PYTHON_START_S = 0.5
"""Seconds in which a signal may meet Python before our first line: the kernel or Python then ends the process, or loses
the signal (a KeyboardInterrupt where Python ignores exceptions), and a second one is the first that the lab gets."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Signals to send to a lab, each after a number of seconds since the earlier one."""

    delays_s: tuple[float, ...]
    signals: tuple[signal.Signals, ...]


def moments(count: int, seed: int, duration_s: float) -> list[Moment]:
    """Return moments spread over the duration of an undisturbed run; each third has a second signal."""
    draw = random.Random(seed)
    return [
        Moment(
            ((number + draw.random()) * duration_s / count, *((draw.uniform(0.0, 1.5),) if number % 3 == 0 else ())),
            (draw.choice(SIGNALS), *((draw.choice(SIGNALS),) if number % 3 == 0 else ())),
        )
        for number in range(count)
    ]


def start(home: Path, output: Path) -> "subprocess.Popen[bytes]":
    """Start a short campaign whose output goes to a file; one baseline makes it shorter, not simpler."""
    options = ("--home", str(home), "--experiments", "2", "--baselines", "gla")
    command = [sys.executable, "-m", "tests.support.instant_command", "run", *options]
    with output.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)


def faults_of(moment: Moment, folder: Path) -> list[str]:
    """Run a campaign, send the signals, and return what was wrong with its end."""
    home, output = folder / "home", folder / "output"
    process = start(home, output)
    try:
        for delay_s, number in zip(moment.delays_s, moment.signals, strict=True):
            time.sleep(delay_s)
            process.send_signal(number)
        code = process.wait(MAX_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f"{moment}: it did not end within {MAX_END_S:g} s"]
    faults, printed = [], output.read_text()
    first = moment.signals[0]
    expected = {128 + first}
    if moment.delays_s[0] < PYTHON_START_S:
        expected |= {-first, *(128 + later for later in moment.signals[1:])}
    if "campaign finished" in printed:
        expected |= {0, -first}  # -first: Python no longer had our handlers
    if code not in expected:
        faults.append(f"exit code {code}")
    if "Traceback" in printed and code > 0:
        faults.append(printed[-2000:])
    if Home(home).running():
        faults.append("running.json is believed")
    deadline = time.monotonic() + 3.0
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        faults.append(f"left behind: {left}")
    return [f"{moment}: {fault}" for fault in faults]


def duration_s(folder: Path) -> float:
    """Return the seconds of an undisturbed run."""
    begin = time.monotonic()
    assert start(folder / "home", folder / "output").wait(120) == 0, (folder / "output").read_text()
    return time.monotonic() - begin


def all_faults(count: int, seed: int, folder: Path) -> list[str]:
    """Return the faults of the ends at `count` moments."""
    folders = [folder / str(number) for number in range(count + 1)]
    for one in folders:
        one.mkdir()
    chosen = moments(count, seed, duration_s(folders[-1]))
    return [fault for moment, one in zip(chosen, folders, strict=False) for fault in faults_of(moment, one)]


if __name__ == "__main__":
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        faults = all_faults(count, count, Path(temporary))
    print(*faults, f"{count} moments, {len(faults)} faults", sep="\n")
    sys.exit(1 if faults else 0)
