"""Memory and CPU time of a lab's services, from /proc."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICE_MODULES = frozenset({"lab.runtime.service", "benchmarks.instant_trainer"})
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory and CPU time of a service and its child processes."""

    resident_bytes: int = 0
    cpu_seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.resident_bytes + other.resident_bytes, self.cpu_seconds + other.cpu_seconds)


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    usage: Usage
    service: str
    """The service that its command line names; empty for a child process."""


def usage_by_service() -> dict[str, Usage]:
    """Return the usage of every service below this process."""
    processes = dict(_processes())
    totals: dict[str, Usage] = {}
    for pid, process in processes.items():
        if service := _service_of(pid, processes):
            totals[service] = totals.get(service, Usage()) + process.usage
    return totals


def _processes() -> list[tuple[int, _Process]]:
    """Return every process that can be read, with its id."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, IndexError):  # the process has ended
            continue
        cpu_seconds = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        usage = Usage(int(fields[21]) * PAGE_BYTES, cpu_seconds)
        processes.append((int(folder.name), _Process(int(fields[1]), usage, _service_name(command))))
    return processes


def _service_name(command: Sequence[str]) -> str:
    """Return the service that a command line starts, such as `memory` or `trainer-1`; empty if it starts none."""
    if command[0].endswith("nats-server"):
        return "nats-server"
    if "-m" not in command:
        return ""
    module, role, instance = (*command[command.index("-m") + 1 :], "", "", "")[:3]
    if module not in SERVICE_MODULES or not instance:
        return ""
    return f"{role}-{instance}" if role == "trainer" else role


def _service_of(pid: int, processes: Mapping[int, _Process]) -> str:
    """Return the service to which a process belongs, itself or through its parents; empty if of another lab."""
    service = ""
    while pid in processes and pid != os.getpid():
        service = processes[pid].service or service
        pid = processes[pid].parent
    return service if pid == os.getpid() else ""
