"""The events of an exported log, for every command that reads one."""

import sys
from pathlib import Path

from bus.audit import log_file
from bus.wire.envelope import Envelope
from lab.errors import LabError

SHOWN = 3
"""Lines without an event that are reported one by one."""


def read_events(file: Path, hint: str = "") -> list[Envelope]:
    """Return the events of a log, and report lines that hold none on stderr. Raises LabError if it can't be read."""
    skipped: list[str] = []
    try:
        events = list(log_file.read_log(file, skipped.append))
    except IsADirectoryError:
        hint = f"move37 export-log --home {file} FILE writes its log to a file"
        raise LabError(f"{file} is a folder; hint: {hint}") from None
    except log_file.UNREADABLE as error:
        raise LabError(f"can't read {file} ({reason_of(error)})" + (f"; hint: {hint}" if hint else "")) from None
    for line in skipped[:SHOWN]:
        print(f"skipped: {line}", file=sys.stderr)
    if len(skipped) > SHOWN:
        print(f"skipped: {len(skipped) - SHOWN} more lines of {file}", file=sys.stderr)
    return events


def reason_of(error: Exception) -> str:
    """Return why a log can't be read, in a few words."""
    return str(getattr(error, "strerror", None) or error)
