"""The standard library as runs see it: without the files that a jail hides, and without what no run needs.

What is hidden does not exist for a run, nor does a compiled file that another program writes next to the original
later. Folders that hold hidden files are therefore copied; the others are bound in place. A process makes one copy for
each set of hidden files and removes it at its end. If it is killed, the next process that makes a copy does so.
"""

import atexit
import fcntl
import os
import shutil
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SITE_NAMES = frozenset({"site-packages", "dist-packages"})
"""Folders of installed packages, which may lie in the standard library's; the runtime lists the packages."""
UNUSED_NAMES = frozenset({"test", "tests", "idlelib", "lib2to3", "ensurepip"})
"""Folders of tests and programs; `ensurepip` contains whole packages."""
PREFIX = "move37-library-"


@dataclass(frozen=True, slots=True)
class VisibleLibrary:
    """The standard library without some files."""

    copy: str
    """A folder with copies of the files that lie next to hidden ones. It belongs to this process."""
    folders: tuple[str, ...]
    """Folders of the original that hold no hidden file; the copy has an empty folder for each."""


def standard_library() -> str:
    """Return the folder of the running interpreter's standard library."""
    return os.path.realpath(sysconfig.get_path("stdlib"))


@cache
def library_without(hidden: tuple[str, ...]) -> VisibleLibrary:
    """Return the standard library without the `hidden` files and folders. Raises OSError if it can't be copied."""
    _remove_copies_of_dead_processes()
    unlocked = Path(tempfile.mkdtemp(prefix="move37-new-"))
    _lock(str(unlocked))
    folder = unlocked.rename(unlocked.with_name(f"{PREFIX}{unlocked.name[-8:]}"))  # another process can't remove it now
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy, folders = f"{folder}/lib", []
    _copy_visible(standard_library(), copy, frozenset(map(os.path.realpath, hidden)), folders)
    return VisibleLibrary(copy, tuple(folders))


def _copy_visible(source: str, copy: str, hidden: frozenset[str], folders: list[str]) -> None:
    """Copy a folder's visible files, go into folders that hold hidden ones, and add all others to `folders`."""
    _make_folder(copy)
    for entry in os.scandir(source):
        target = f"{copy}/{entry.name}"
        if _is_hidden(entry, hidden):
            continue
        if not entry.is_dir():
            _copy(entry, target)
        elif entry.name == "__pycache__" or any(path.startswith(f"{entry.path}/") for path in hidden):
            _copy_visible(entry.path, target, hidden, folders)
        else:
            _make_folder(target)
            folders += [] if entry.name in SITE_NAMES else [entry.path]


def _is_hidden(entry: os.DirEntry[str], hidden: frozenset[str]) -> bool:
    """Whether a file or folder is hidden, the compiled form of a hidden one, or of no use to a run."""
    if entry.name in UNUSED_NAMES or entry.name.startswith("config-") or ".opt-" in entry.name:
        return True
    folder = Path(entry.path).parent
    source = folder.parent / f"{entry.name.partition('.')[0]}.py" if folder.name == "__pycache__" else entry.path
    return str(source) in hidden


def _make_folder(path: str) -> None:
    """Make a folder that other users may enter: runs have another user id."""
    Path(path).mkdir()
    Path(path).chmod(0o755)


def _copy(source: os.DirEntry[str], target: str) -> None:
    """Copy a file with its time of change, by which the interpreter tells whether a compiled file is current."""
    shutil.copyfile(source.path, target)
    times = source.stat()
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    Path(target).chmod(0o644)


def _lock(folder: str) -> int | None:
    """Return the descriptor of a lock that lasts as long as this process; None if another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_copies_of_dead_processes() -> None:
    """Remove the copies that nobody holds a lock on."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = _lock(str(folder))
        except OSError:  # gone, or of another user
            continue
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)
