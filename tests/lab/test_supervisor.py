"""The supervisor: what dies comes back, what can't live is reported, nothing is left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.runtime.supervisor import Service, Supervisor

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


async def until(condition) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_service_is_started_again(tmp_path: Path) -> None:
    """A new process takes the name of the one that died."""
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("sleeper", SLEEPER))
    await until(supervisor.pids)
    first = supervisor.pids()["sleeper"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pids().get("sleeper", first) != first)
    assert supervisor.restarts == 1
    await supervisor.stop()


async def test_stop_ends_even_what_does_not_listen(tmp_path: Path) -> None:
    """A service that ignores SIGTERM is gone soon after, with its children."""
    stubborn = "import signal, time, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); time.sleep(60)"
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("stubborn", [sys.executable, "-c", stubborn]))
    await until(supervisor.pids)
    pid = supervisor.pids()["stubborn"]
    await supervisor.stop(patience=0.3)
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


async def test_a_service_that_cannot_stay_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    """After five deaths in a row the lab ends with what the service said."""
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"]))
    with pytest.raises(LabError, match="broken can't stay up: no such thing"):
        await asyncio.wait_for(supervisor.failed(), 30)
    await supervisor.stop()
