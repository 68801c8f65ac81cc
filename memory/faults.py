"""What can be wrong with memory's file, and which of it the log heals.

A file that can't be read, is of another version or of another log is damaged: it is set aside, and a new one is filled
from the log. A file that another process holds, or that the host can't read or write, is not: a person has to act.
"""

import re
from pathlib import Path

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.*?)\s*\(?PID (?P<pid>\d+)")
"""DuckDB's words for the process that holds a file."""
_HOST_FAULTS = re.compile(
    "no space left|quota exceeded|file too large|permission denied|read-only file system|too many open files"
    "|cannot allocate|out of memory|no such file|could not set lock",
    re.IGNORECASE,
)
"""The host's words for what is no fault of the file."""
MAX_REASON_CHARACTERS = 300


class MemoryFault(ValueError):
    """Memory's file can't be used; the text says why, and what to do, in one line."""


class DatabaseInUse(MemoryFault):
    """Another process holds the file."""


class DatabaseDamaged(MemoryFault):
    """The file can't be read, or what it holds is not of this log."""


def fault_of(path: Path, action: str, error: Exception) -> MemoryFault:
    """Return what an error says about a file; `action` is what failed, such as `read`."""
    if isinstance(error, MemoryFault):
        return error
    text = " ".join((str(error) or type(error).__name__).split())[:MAX_REASON_CHARACTERS]
    if holder := _HOLDER.search(text):
        program = Path(holder["program"]).name or "another program"
        return DatabaseInUse(
            f"{path} is held by process {holder['pid']} ({program}); hint: stop it, or choose another --home"
        )
    kind = MemoryFault if isinstance(error, MemoryError) or _HOST_FAULTS.search(text) else DatabaseDamaged
    return kind(f"cannot {action} {path}: {text}")
