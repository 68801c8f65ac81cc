"""The name under which DuckDB opens a file: its names are UTF-8 text."""

import os
from functools import cache
from pathlib import Path


def database_name(path: Path) -> str:
    """Return a name that DuckDB can open. Raises OSError if the path's folder can't be opened.

    The path has no backslash: DuckDB reads it as a slash under any name.
    """
    name = str(path)
    return name if _is_plain(name) else f"/proc/self/fd/{_open_folder(path.parent.resolve())}/{path.name}"


def _is_plain(name: str) -> bool:
    return os.fsencode(name).decode(errors="ignore") == name


@cache
def _open_folder(folder: Path) -> int:
    """Return a descriptor of a folder; it stays open with the process, since DuckDB opens its own log again."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
