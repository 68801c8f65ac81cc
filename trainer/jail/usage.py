"""What processes use, read from a process table."""

import contextlib
from collections.abc import Iterable
from pathlib import Path


def usage(process: Path) -> tuple[int, int]:
    """Return (bytes of anonymous and shared memory, threads) of a process. Raises OSError where it is gone."""
    values = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    kilobytes = sum(int(values.get(name, "0 kB").split()[0]) for name in ("RssAnon", "RssShmem"))
    return kilobytes * 1024, int(values.get("Threads", "0"))


def census(processes: Iterable[Path], base: int) -> tuple[int, int]:
    """Return (bytes beyond `base` each, tasks) of processes, given their folders in a process table."""
    memory = tasks = 0
    for process in processes:
        with contextlib.suppress(OSError):  # it has just ended
            private, threads = usage(process)
            memory += max(private - base, 0)
            tasks += threads
    return memory, tasks


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]
