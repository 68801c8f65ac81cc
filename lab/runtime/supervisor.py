"""Keeps the lab's processes running: starts them, restarts those that exit, stops them all.

A service holds no state, so a restart is enough. A service that exits five times in a row, each time within ten
seconds, ends the lab with the last line that it logged, or, if the disk is full, with how much space is needed. A
service that finds the log full ends the lab at once. A service that is killed from outside did not fail itself, so it
may be killed many times.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bus.nats.server import die_with_parent
from lab import disk
from lab.errors import EXIT_LOG_FULL, LabError

HEALTHY_UPTIME_S = 10.0
MAX_QUICK_EXITS = 5
"""Quick exits in a row that end the lab."""
MAX_QUICK_KILLS = 100
"""Quick ends by a signal in a row that end the lab: only a machine without free memory causes so many."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A process to run: its name, its command and its environment variables."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs services until `stop`."""

    def __init__(self, logs: Path) -> None:
        """Write each service's output to `logs/<name>.log`."""
        self._logs = logs
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.restarts = 0
        """Number of restarts, over all services."""

    def start(self, service: Service) -> None:
        """Start a service, and restart it whenever it exits."""
        self._keepers.append(asyncio.create_task(self._keep_running(service), name=service.name))

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running services by name."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    async def failed(self) -> None:
        """Wait for a service that can't stay up. Raises its LabError."""
        if not self._keepers:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_EXCEPTION)
        for keeper in done:
            keeper.result()

    async def stop(self, patience: float = 2.0) -> None:
        """Stop every service: SIGTERM, then SIGKILL after `patience` seconds."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.pids() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._signal(signal.SIGKILL)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to every process group, which includes the service's jail."""
        for pid in self.pids().values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    async def _keep_running(self, service: Service) -> None:
        """Run a service again and again. Raises LabError if it keeps failing."""
        exits = 0
        while not self._stopping:
            start = time.monotonic()
            code = await self._run(service)
            if self._stopping:
                return
            exits = exits + 1 if time.monotonic() - start < HEALTHY_UPTIME_S else 1
            log.warning("service ended", service=service.name, code=code, quick_exits=exits)
            if code == EXIT_LOG_FULL:
                raise LabError(_last_message(self._log_file(service)))
            if exits >= (MAX_QUICK_EXITS if code >= 0 else MAX_QUICK_KILLS):
                if fault := disk.shortage(self._logs, disk.FULL_BYTES):
                    raise LabError(f"{service.name} can't write: {fault}, and run again: the campaign continues")
                log_file = self._log_file(service)
                raise LabError(f"{service.name} keeps failing ({_last_message(log_file)}); hint: see {log_file}")
            self.restarts += 1
            await asyncio.sleep(min(0.05 * 2**exits, 3.0 if code >= 0 else 0.5))

    async def _run(self, service: Service) -> int:
        """Run a service once and return its exit code."""
        with self._log_file(service).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *service.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **service.env},
                start_new_session=True,  # Ctrl-C on the terminal reaches us alone; we stop the services
                preexec_fn=die_with_parent,
            )
        self._processes[service.name] = process
        try:
            return await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise

    def _log_file(self, service: Service) -> Path:
        return self._logs / f"{service.name}.log"


def _last_message(path: Path) -> str:
    """Return the last line of a log file; of a structured line, its reason."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no output"
    last = lines[-1] if lines else "no output"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        last = str(json.loads(last)["reason"])
    return last[:400]
