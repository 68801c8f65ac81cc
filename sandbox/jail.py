"""A jail that runs one stranger's program after another.

A run ends by SIGKILL of its process 1, whatever it did; the kernel then kills all else in its namespaces. Where the
zygote does not confirm that, or the process table still shows something, the whole sandbox is killed and a fresh one is
started when it is next needed, or ahead of that by `prepare()`.
"""

import dataclasses
import itertools
import math
import os
import shutil
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import bubblewrap
from sandbox.faults import SandboxUnavailable
from sandbox.frames import BODY_LIMIT, Channel
from sandbox.inside.cell import RunOrder
from sandbox.profile import Device, profile
from sandbox.session import Session
from sandbox.watchdog import SandboxLimits, Watchdog
from sandbox.zygote import Sandbox, Zygote

DEFAULT_PRELOAD = ("torch",)
RUNS_PER_ZYGOTE = 200
"""A zygote is replaced after so many runs."""


class Jail:
    """Starts sessions, one at a time. Not for use by several threads at once, save for `prepare`."""

    def __init__(
        self,
        sandbox: Sandbox,
        scratch: Path,
        packages: tuple[str, ...] = (),
        preload: tuple[str, ...] = DEFAULT_PRELOAD,
        runs: int = RUNS_PER_ZYGOTE,
        device: Device = "cpu",
    ) -> None:
        """Start nothing yet.

        `sandbox`: "bwrap", or "none" for no containment at all (only where a person has said so); `scratch`: a folder
        of the host in which runs without containment get their working folders; `packages`: the packages beside
        this one that runs may import, nothing else of the project is there; `preload`: modules every run finds
        imported; `runs`: after how many a zygote is replaced; `device`: what runs are given besides the CPU.
        """
        self.sandbox: Sandbox = sandbox
        self.device: Device = device
        self._scratch = scratch
        self._packages = packages
        self._preload = preload
        self._runs = runs
        self._zygote: Zygote | None = None
        self._starting = threading.Lock()
        self._ordinal = itertools.count()

    def prepare(self) -> None:
        """Start the zygote in the background; what goes wrong is told by the next `run`."""
        threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    def _prepare(self) -> None:
        """Start the zygote and keep silent about failures."""
        try:
            self.ready()
        except SandboxUnavailable:
            return

    def ready(self) -> Zygote:
        """Return a living zygote, started if need be. Raises SandboxUnavailable with the remedy."""
        with self._starting:
            zygote = self._zygote
            if zygote is not None and (not zygote.alive or zygote.runs >= self._runs):
                zygote.close()
                zygote = None
            if zygote is None:
                zygote = Zygote(self.sandbox, self._packages, self._preload, profile(self.device))
            self._zygote = zygote
            return zygote

    def run(self, entry: str, seconds: float, memory_mb: int, *, limits: SandboxLimits | None = None,
            reply_bytes: int = BODY_LIMIT) -> Session:  # fmt: skip
        """Start `entry` ("module:function", called with a Channel) in the jail and return the session with it.

        `memory_mb` is what the run may have beyond the zygote's own pages. `limits` overrides the other limits.
        `reply_bytes` is the most array bytes of a frame it may send. Raises SandboxUnavailable.
        """
        zygote = self.ready()
        given = limits or SandboxLimits.of(zygote.profile)
        held = dataclasses.replace(given, seconds=seconds, memory_bytes=memory_mb << 20)
        session, refusal = self._start(zygote, entry, held, reply_bytes)
        if refusal and not zygote.alive:  # it died between two runs
            session, refusal = self._start(self.ready(), entry, held, reply_bytes)
        if refusal:
            raise SandboxUnavailable(f"a run can't be confined here: {refusal}")
        return session

    def _start(self, zygote: Zygote, entry: str, limits: SandboxLimits, reply_bytes: int) -> tuple[Session, str]:
        """Order one run; return its session and why it was refused, or ''."""
        ours, theirs = socket.socketpair()
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        scratch = self._working_folder()
        watch = Watchdog(limits, output, status, zygote)
        refusal = zygote.start(
            _order(entry, limits, scratch, zygote, confined=self.sandbox == "bwrap"),
            [theirs.fileno(), output_end, status_end],
        )
        theirs.close()
        os.close(output_end)
        os.close(status_end)
        watch.start()
        session = Session(Channel(ours, reply_bytes), watch, zygote, lambda: self._clear(scratch))
        if refusal:
            session.close()
        return session, refusal

    def _working_folder(self) -> str:
        """Return the folder a run may write to."""
        if self.sandbox == "bwrap":
            return bubblewrap.SCRATCH
        folder = self._scratch / f"run-{os.getpid()}-{next(self._ordinal)}"
        folder.mkdir(parents=True)
        return str(folder.resolve())

    def _clear(self, scratch: str) -> None:
        """Remove a run's folder; a confined run's went with its namespace."""
        if self.sandbox == "none":
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        """Kill the zygote and everything in its sandbox."""
        with self._starting:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

    def __enter__(self) -> Self:
        """Return the jail."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()


def _order(entry: str, limits: SandboxLimits, scratch: str, zygote: Zygote, *, confined: bool) -> dict:
    """Return what the zygote is told about a run."""
    order = RunOrder(
        entry=entry,
        cpu_seconds=math.ceil(limits.seconds) + 1,
        memory_bytes=limits.memory_bytes,
        scratch=scratch,
        scratch_bytes=limits.scratch_bytes,
        processes=limits.processes,
        files=limits.files,
        confined=confined,
        readable=tuple(zygote.readable),
        devices=zygote.profile.devices,
        calls=zygote.profile.calls,
        bounded=zygote.profile.bounded,
        process_table=zygote.profile.process_table,
    )
    return dataclasses.asdict(order)
