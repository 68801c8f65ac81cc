"""Memory, tasks, CPU time and state of processes, read from a process table such as /proc."""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

MEMORY_LINES = ("RssAnon", "RssShmem", "VmPTE")
"""Lines of a process' status that count as its memory; page tables, since a run may map much and fill little."""
CPU_FIELDS = slice(11, 15)
"""Fields of a process' stat after its name: time of its own and of its ended children, each for user and system."""
RUNNABLE = "R"
"""State of a task that computes or stands in the queue for a processor."""
SOCKET_BYTES = 512 << 10
"""Most bytes that can wait in a socket between processes: the send buffer, 208 KiB, and one message beyond it."""


class RunUsage(NamedTuple):
    """What processes use together."""

    memory_bytes: int
    """Private memory, page tables and, where a run may have them, memory files and sockets."""
    tasks: int
    """Processes and threads."""
    cpu_s: float
    """CPU time, with that of ended processes that a process among them has waited for."""
    runnable: bool = False
    """Whether one of their tasks computes, or stands in the queue for a processor."""


def process_usage(process: Path) -> RunUsage:
    """Return the usage of a process. Raises OSError if it is gone."""
    values = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    kilobytes = sum(int(values.get(name, "0 kB").split()[0]) for name in MEMORY_LINES)
    fields = _stat_fields(process)
    ticks, tasks = sum(map(int, fields[CPU_FIELDS])), int(values.get("Threads", "0"))
    runnable = fields[0] == RUNNABLE or (tasks > 1 and _has_runnable_thread(process))
    return RunUsage(kilobytes * 1024, tasks, ticks / os.sysconf("SC_CLK_TCK"), runnable)


def _stat_fields(task: Path) -> list[str]:
    """Return the fields of a task's stat after its name. Raises OSError if it is gone."""
    return (task / "stat").read_text().rpartition(")")[2].split()


def _has_runnable_thread(process: Path) -> bool:
    """Whether a thread of a process is runnable: its own stat tells of the first one only."""
    with contextlib.suppress(OSError):  # it has just ended; its memory counts all the same
        return any(_stat_fields(thread)[0] == RUNNABLE for thread in (process / "task").iterdir())
    return False


def memory_file_bytes(process: Path) -> dict[int, int]:
    """Return the bytes of each memory file that a process has open, by inode. Raises OSError if it is gone."""
    sizes: dict[int, int] = {}
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # the process has just closed it
            if str(descriptor.readlink()).startswith("/memfd:"):
                file = descriptor.stat()
                sizes[file.st_ino] = file.st_blocks * 512
    return sizes


def socket_bytes(process: Path) -> int:
    """Return the most bytes that can wait in the sockets of a process' network namespace. Raises OSError.

    The kernel lists every socket that isn't gone, also those that wait to be accepted and have no descriptor.
    """
    return SOCKET_BYTES * (len((process / "net/unix").read_text().splitlines()) - 1)  # the first line is a header


def total_usage(
    processes: Collection[Path], base_bytes: int, *, memory_files: bool = False, sockets: bool = False
) -> RunUsage:
    """Return the usage of all processes, given their folders in a process table, parents first.

    Of each one's memory, `base_bytes` don't count. With `memory_files` their memory files count as well, in addition to
    their mapped parts; with `sockets` those of their network namespace.
    """
    memory = tasks = 0
    cpu_s, runnable = 0.0, False
    held: dict[int, int] = {}
    waiting = 0
    for process in processes:
        with contextlib.suppress(OSError):  # the process has just ended
            usage = process_usage(process)
            memory += max(usage.memory_bytes - base_bytes, 0)
            tasks += usage.tasks
            cpu_s += usage.cpu_s
            runnable = runnable or usage.runnable
            held |= memory_file_bytes(process) if memory_files else {}
            waiting = max(waiting, socket_bytes(process) if sockets else 0)
    return RunUsage(memory + sum(held.values()) + waiting, tasks, cpu_s, runnable)


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]
