"""The supervisor restarts services that exit, reports those that keep failing, and leaves no process behind."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

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
    """A new process replaces the killed one."""
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("sleeper", SLEEPER))
    await until(supervisor.pids)
    first = supervisor.pids()["sleeper"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pids().get("sleeper", first) != first)
    assert supervisor.restarts == 1
    await supervisor.stop()


async def test_stop_ends_a_service_that_ignores_sigterm(tmp_path: Path) -> None:
    """It is killed soon after, with its children."""
    stubborn = "import signal, time, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); time.sleep(60)"
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("stubborn", [sys.executable, "-c", stubborn]))
    await until(supervisor.pids)
    pid = supervisor.pids()["stubborn"]
    await supervisor.stop(patience=0.3)
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


async def test_a_service_that_fails_on_a_full_disk_says_how_much_space_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not log why: the last line of its log is an older one."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("memory", [sys.executable, "-c", "raise SystemExit('an older line')"]))
    with pytest.raises(LabError, match=r"memory can't write: .*\(1 MiB free\); hint: free at least 256 MiB, and run"):
        await asyncio.wait_for(supervisor.failed(), 60)
    await supervisor.stop()


async def test_a_service_that_keeps_failing_is_named_with_its_last_message(tmp_path: Path) -> None:
    """After five quick exits in a row the lab ends with the last line of the service's log."""
    supervisor = Supervisor(tmp_path)
    supervisor.start(Service("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"]))
    with pytest.raises(LabError, match=r"broken keeps failing \(no such thing\); hint: see .*broken.log"):
        await asyncio.wait_for(supervisor.failed(), 30)
    await supervisor.stop()
