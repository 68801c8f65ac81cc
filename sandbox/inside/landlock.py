"""Landlock: the files that a run may access. It refuses the rest of the file system, whoever owns it.

https://docs.kernel.org/userspace-api/landlock.html. Calls 444 to 446 have these numbers on every architecture.
Landlock stops neither UDP nor reads of a descriptor that is already open. For these there are the network namespace
and a clean table of descriptors.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from sandbox.inside.linux import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
IOCTL_DEVICE = 1 << 15
MAKE_SOCKET, MAKE_CHARACTER, MAKE_BLOCK = 1 << 9, 1 << 6, 1 << 11
READ = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""File system rights that each version of the interface knows."""
BIND_AND_CONNECT_TCP = 0b11
SCOPE_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi_version() -> int:
    """Return the kernel's version of the interface. Raises OSError if it has none."""
    return syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)


def confine(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Restrict this process for good: it may read below `readable`, and read and write below `writable`.

    Paths that don't exist are skipped. If the kernel's version can, it also refuses TCP, and signals and abstract
    sockets to processes outside. Raises OSError.
    """
    version = abi_version()
    rights = RIGHTS_BY_ABI[min(version, 5)]
    attributes = _Ruleset(
        rights, BIND_AND_CONNECT_TCP if version >= 4 else 0, SCOPE_SOCKETS_AND_SIGNALS if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = syscall(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    for path in readable:
        _allow(ruleset, path, READ & rights)
    for path in writable:
        _allow(ruleset, path, rights & ~(MAKE_SOCKET | MAKE_CHARACTER | MAKE_BLOCK))
    syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow rights on one path, reduced to those that a plain file can have."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not Path(path).is_dir():
        rights &= FILE_RIGHTS
    rule = _PathBeneath(rights, parent)
    syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(parent)
