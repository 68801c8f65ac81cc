"""Setting a derived file aside: what disagrees with the log is renamed, never deleted, and made again from the log."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

WAL_SUFFIX = ".wal"
"""What the name of a DuckDB file's own log ends in; it follows its file."""


def set_aside(path: Path) -> Path:
    """Rename a file to `<name>.bad-<time>`, and its WAL with it; return the new path. Raises OSError."""
    stem = f"{path.name}.bad-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    target = next(target for name in names if not (target := path.with_name(name)).exists())
    for suffix in (WAL_SUFFIX, ""):  # the WAL first: without its file it is no use, and would spoil the next one
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(target.with_name(target.name + suffix))
    return target
