"""Memory, CPU time and tasks of processes, read from a process table such as /proc."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second."""


def process_usage(process: Path) -> tuple[int, int]:
    """Return (bytes of anonymous and shared memory, threads) of a process. Raises OSError if it is gone."""
    values = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    kilobytes = sum(int(values.get(name, "0 kB").split()[0]) for name in ("RssAnon", "RssShmem"))
    return kilobytes * 1024, int(values.get("Threads", "0"))


def cpu_seconds(process: Path) -> float:
    """Return the CPU seconds of a process, its threads and the children that it has waited for. Raises OSError."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()  # a program's name may hold blanks
    return sum(map(int, fields[11:15])) / CLOCK_TICKS


def total_cpu_seconds(processes: Iterable[Path]) -> float:
    """Return the CPU seconds of all processes, given their folders in a process table."""
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(OSError):  # the process has just ended
            seconds += cpu_seconds(process)
    return seconds


def memory_file_bytes(process: Path) -> dict[int, int]:
    """Return the bytes of each memory file that a process has open, by inode. Raises OSError if it is gone."""
    sizes: dict[int, int] = {}
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # the process has just closed it
            if str(descriptor.readlink()).startswith("/memfd:"):
                file = descriptor.stat()
                sizes[file.st_ino] = file.st_blocks * 512
    return sizes


def total_usage(processes: Iterable[Path], base_bytes: int, *, memory_files: bool = False) -> tuple[int, int]:
    """Return (bytes beyond `base_bytes` each, tasks) of all processes, given their folders in a process table.

    With `memory_files` their memory files count as well, in addition to their mapped parts.
    """
    memory = tasks = 0
    files: dict[int, int] = {}
    for process in processes:
        with contextlib.suppress(OSError):  # the process has just ended
            private, threads = process_usage(process)
            memory += max(private - base_bytes, 0)
            tasks += threads
            files |= memory_file_bytes(process) if memory_files else {}
    return memory + sum(files.values()), tasks


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]
