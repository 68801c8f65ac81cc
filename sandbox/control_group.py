"""A control group (cgroup v2) around one sandbox: the kernel counts and limits what everything in it uses together.

It also counts what no process table shows, such as buffers of sockets, mappings and locks. Whether a process may create
a group depends on the machine: root may, and whoever was started in a group that has been delegated to it. Without one,
the sandbox relies on rlimits and the watchdog alone.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

CONTROLLERS = ("cpu", "memory", "pids")
"""Parts of the kernel that limit a group; it has those that the group above it passes on."""
PREFIX = "move37"
CPU_PERIOD_US = 100_000
"""Microseconds over which a share of processors is measured."""
SLACK_BYTES, SLACK_TASKS = 64 << 20, 8
"""What a group may use beyond a run's limits, so that the watchdog ends a run first, with the more exact reason."""
REMOVAL_TIMEOUT_S = 1.0
_numbers = itertools.count()


class ControlGroup:
    """One group; each run sets its limits again."""

    def __init__(self, folder: Path) -> None:
        """Own an existing group."""
        self.folder = folder
        self.controllers = tuple(name for name in CONTROLLERS if name in _words(folder / "cgroup.controllers"))
        """Its controllers; CPU time is counted without any."""

    def __str__(self) -> str:
        """Return what it does, for a person."""
        missing = ", ".join(name for name in CONTROLLERS if name not in self.controllers)
        limited = ", ".join(self.controllers) or "nothing"
        rest = f" (the machine passes on no controller for {missing})" if missing else ""
        return f"cgroup v2 counts CPU time and limits {limited}{rest}"

    @classmethod
    def around(cls, processes: Iterable[int]) -> Self | None:
        """Move processes into a new group and return it; None if this machine does not let us."""
        group = None
        try:
            mount, own = _mount_and_own_folder()
            parent = parent_folder(mount, own)
            _remove_left_groups(parent)
            folder = parent / f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
            folder.mkdir()
            group = cls(folder)
            for pid in processes:
                (folder / "cgroup.procs").write_text(str(pid))
            group.cpu_s()
        except (OSError, ValueError):  # ValueError: no cgroup v2 where this process can see it
            if group is not None:
                group.remove()
            return None
        return group

    def limit(self, memory_bytes: int, tasks: int, cpus: float) -> None:
        """Limit what the group uses from now on, in addition to what it uses already. Raises OSError."""
        if "memory" in self.controllers:
            self._write("memory.max", self._number("memory.current") + memory_bytes + SLACK_BYTES)
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                self._write("memory.swap.max", 0)
        if "pids" in self.controllers:
            self._write("pids.max", self._number("pids.current") + tasks + SLACK_TASKS)
        if "cpu" in self.controllers:
            self._write("cpu.max", f"{round(max(cpus, 1) * CPU_PERIOD_US)} {CPU_PERIOD_US}")

    def cpu_s(self) -> float:
        """Return the CPU seconds that the group has used since its start. Raises OSError."""
        return self._entries("cpu.stat")["usage_usec"] / 1e6

    def memory_kills(self) -> int:
        """Return how often the group's own limit left it without memory, so that the kernel killed. Raises OSError.

        `oom_kill` also counts processes of the group that died because the whole machine, or a group above, had no
        memory left: runs go first then (`sandbox.inside.confinement`).
        """
        return self._entries("memory.events").get("oom", 0) if "memory" in self.controllers else 0

    def remove(self) -> None:
        """Remove the group as soon as its processes are gone; give up after a while."""
        deadline = time.monotonic() + REMOVAL_TIMEOUT_S
        while True:
            try:
                self.folder.rmdir()
            except OSError:
                if self.folder.is_dir() and time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
            return

    def _write(self, name: str, value: int | str) -> None:
        (self.folder / name).write_text(str(value))

    def _number(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def _entries(self, name: str) -> dict[str, int]:
        lines = (self.folder / name).read_text().splitlines()
        return {key: int(value) for key, value in (line.split() for line in lines)}


def parent_folder(mount: Path, own: Path) -> Path:
    """Return the folder for new groups: the nearest one, from this process' own up, that passes on every controller.

    If there is none it is this process' own: CPU time is counted in every group. Raises OSError.
    """
    for folder in (own, *own.parents):
        if not folder.is_relative_to(mount):
            break
        if set(CONTROLLERS) <= _words(folder / "cgroup.subtree_control") and os.access(folder, os.W_OK):
            return folder
    return own


def _mount_and_own_folder() -> tuple[Path, Path]:
    """Return where cgroup v2 is mounted, and this process' group below. Raises OSError, or ValueError if it isn't."""
    places = Path("/proc/self/cgroup").read_text().splitlines()
    place = next((place.removeprefix("0::") for place in places if place.startswith("0::")), "/")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        if system.startswith("cgroup2 "):
            _, _, _, root, folder, *_ = mount.split()
            return Path(folder), Path(folder) / Path(place).relative_to(root)
    raise ValueError("cgroup v2 is not mounted")


def _remove_left_groups(parent: Path) -> None:
    """Remove the empty groups of processes that were killed before they could do so."""
    for group in parent.glob(f"{PREFIX}-*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):  # it isn't empty, or another process has been faster
                group.rmdir()


def _words(file: Path) -> set[str]:
    """Return the words of a file."""
    return set(file.read_text().split())
