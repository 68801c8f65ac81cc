"""What processes use, read from a process table."""

import contextlib
from collections.abc import Iterable
from pathlib import Path


def usage(process: Path) -> tuple[int, int]:
    """Return (bytes of anonymous and shared memory, threads) of a process. Raises OSError where it is gone."""
    values = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    kilobytes = sum(int(values.get(name, "0 kB").split()[0]) for name in ("RssAnon", "RssShmem"))
    return kilobytes * 1024, int(values.get("Threads", "0"))


def memory_files(process: Path) -> dict[int, int]:
    """Return the bytes of each file in no file system that a process holds open, by inode. Raises OSError."""
    found: dict[int, int] = {}
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # it has just been closed
            if str(descriptor.readlink()).startswith("/memfd:"):
                file = descriptor.stat()
                found[file.st_ino] = file.st_blocks * 512
    return found


def census(processes: Iterable[Path], base: int, *, files: bool = False) -> tuple[int, int]:
    """Return (bytes beyond `base` each, tasks) of processes, given their folders in a process table.

    With `files` what lies in memory files counts as well, once more than where it is mapped.
    """
    memory = tasks = 0
    held: dict[int, int] = {}
    for process in processes:
        with contextlib.suppress(OSError):  # it has just ended
            private, threads = usage(process)
            memory += max(private - base, 0)
            tasks += threads
            held |= memory_files(process) if files else {}
    return memory + sum(held.values()), tasks


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]
