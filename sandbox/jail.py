"""A jail: runs one stranger's program after another, each in a new confinement.

A run ends by SIGKILL of its process 1, whatever it did; the kernel then kills everything else in its namespaces. If
the zygote does not confirm that, or the process table still shows a process, the whole sandbox is killed. A new one
starts with the next run, or ahead of it by `prepare()`.
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
from sandbox.frames import MAX_BODY_BYTES, Channel
from sandbox.inside.confinement import RunSpec
from sandbox.profile import Device, device_profile
from sandbox.runtime import DEFAULT_LIBRARIES, find_runtime
from sandbox.session import Session
from sandbox.watchdog import SandboxLimits, Watchdog
from sandbox.zygote import Sandbox, Zygote

DEFAULT_PRELOAD = ("torch",)
RUNS_PER_ZYGOTE = 200
"""Runs after which a zygote is replaced."""


class Jail:
    """Starts sessions, one at a time. Only `prepare` may be called from another thread."""

    def __init__(
        self,
        sandbox: Sandbox,
        scratch: Path,
        packages: tuple[str, ...] = (),
        preload: tuple[str, ...] = DEFAULT_PRELOAD,
        runs_per_zygote: int = RUNS_PER_ZYGOTE,
        device: Device = "cpu",
        libraries: tuple[str, ...] = DEFAULT_LIBRARIES,
        hidden: tuple[str, ...] = (),
    ) -> None:
        """Set up a jail without starting anything.

        - `sandbox`: "bwrap", or "none" for no containment at all (only on a person's request);
        - `scratch`: a folder of the host, for the working folders of runs without containment;
        - `packages`: packages next to this one that runs may import; they find nothing else of the project;
        - `preload`: modules that the zygote imports for all runs;
        - `runs_per_zygote`: the number of runs after which a zygote is replaced;
        - `device`: the device that runs may use in addition to the CPU;
        - `libraries`: installed packages that runs may import; they bring what they require;
        - `hidden`: files and folders of the standard library that runs don't find.
        """
        self.sandbox: Sandbox = sandbox
        self.device: Device = device
        self._scratch = scratch
        self._packages, self._libraries, self._hidden = packages, libraries, hidden
        self._preload = preload
        self._runs_per_zygote = runs_per_zygote
        self._zygote: Zygote | None = None
        self._zygote_lock = threading.Lock()
        self._folder_numbers = itertools.count()

    def prepare(self) -> None:
        """Start the zygote in the background; if that fails, the next `run` raises the error."""
        threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    def _prepare(self) -> None:
        try:
            self.ensure_zygote()
        except SandboxUnavailable:
            return

    def ensure_zygote(self) -> Zygote:
        """Return a living zygote; start one if there is none. Raises SandboxUnavailable with the remedy."""
        with self._zygote_lock:
            zygote = self._zygote
            if zygote is not None and (not zygote.alive or zygote.runs >= self._runs_per_zygote):
                zygote.close()
                zygote = None
            if zygote is None:
                profile = device_profile(self.device)
                runtime = find_runtime(self._packages, self._libraries, self._hidden, profile)
                zygote = Zygote(self.sandbox, runtime, self._preload, profile)
            self._zygote = zygote
            return zygote

    def run(
        self,
        entry: str,
        seconds: float,
        memory_mb: int,
        *,
        limits: SandboxLimits | None = None,
        reply_bytes: int = MAX_BODY_BYTES,
    ) -> Session:
        """Start a run in the sandbox and return the session with it. Raises SandboxUnavailable.

        - `entry`: "module:function", called with a Channel;
        - `seconds`: time that it may wait; its CPU time has a limit in proportion, its wall time a large one;
        - `memory_mb`: MiB that it may take beyond the zygote's own pages;
        - `limits`: all other limits, by default those of the device; its time and memory are ignored;
        - `reply_bytes`: the most array bytes of a frame that the run may send.
        """
        zygote = self.ensure_zygote()
        base = limits or SandboxLimits.from_profile(zygote.profile)
        run_limits = dataclasses.replace(base, seconds=seconds, memory_bytes=memory_mb << 20)
        session, refusal = self._start(zygote, entry, run_limits, reply_bytes)
        if refusal and not zygote.alive:  # it died between two runs
            session, refusal = self._start(self.ensure_zygote(), entry, run_limits, reply_bytes)
        if refusal:
            raise SandboxUnavailable(f"a run can't be confined on this machine ({refusal}); hint: see `move37 doctor`")
        return session

    def _start(self, zygote: Zygote, entry: str, limits: SandboxLimits, reply_bytes: int) -> tuple[Session, str]:
        """Start one run; return its session, and "" or why it was refused; then the session is already closed."""
        parent_end, run_end = socket.socketpair()
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        scratch = self._working_folder()
        zygote.limit_group(limits.memory_bytes + limits.scratch_bytes, limits.processes, limits.cpus)
        watchdog = Watchdog(limits, output, status, zygote)
        spec = _run_spec(entry, limits, scratch, zygote)
        refusal = zygote.start_run(dataclasses.asdict(spec), [run_end.fileno(), output_end, status_end])
        run_end.close()
        os.close(output_end)
        os.close(status_end)
        watchdog.start()
        session = Session(Channel(parent_end, reply_bytes), watchdog, zygote, lambda: self._clear(scratch))
        if refusal:
            session.close()
        return session, refusal

    def _working_folder(self) -> str:
        """Return the folder that a run may write to; without containment it is created on the host."""
        if self.sandbox == "bwrap":
            return bubblewrap.SCRATCH_FOLDER
        folder = self._scratch / f"run-{os.getpid()}-{next(self._folder_numbers)}"
        folder.mkdir(parents=True)
        return str(folder.resolve())

    def _clear(self, scratch: str) -> None:
        """Remove a run's folder; that of a confined run is gone with its namespace."""
        if self.sandbox == "none":
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        """Kill the zygote and everything in its sandbox."""
        with self._zygote_lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

    def __enter__(self) -> Self:
        """Return the jail."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the jail."""
        self.close()


def _run_spec(entry: str, limits: SandboxLimits, scratch: str, zygote: Zygote) -> RunSpec:
    """Return what the zygote needs to know of a run."""
    profile = zygote.profile
    return RunSpec(
        entry=entry,
        cpu_seconds=math.ceil(limits.cpu_seconds) + 1,
        memory_bytes=limits.memory_bytes,
        scratch=scratch,
        scratch_bytes=limits.scratch_bytes,
        processes=limits.processes,
        open_files=limits.open_files,
        confined=zygote.confined,
        readable=tuple(zygote.readable),
        devices=profile.devices,
        allowed_calls=profile.allowed_calls,
        limit_address_space=profile.limit_address_space,
        process_table=profile.process_table,
    )
