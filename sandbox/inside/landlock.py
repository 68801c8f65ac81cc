"""Landlock: the files that a run may access. It refuses the rest of the file system, whoever owns it.

Landlock stops neither UDP nor reads of a descriptor that is already open: the network namespace and a clean table of
descriptors do. Source: https://docs.kernel.org/userspace-api/landlock.html and the kernel's linux/landlock.h.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from sandbox.inside.linux import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every architecture."""
CREATE_RULESET_VERSION = 1
"""Flag with which CREATE_RULESET only returns the version of the interface."""
RULE_PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHARACTER, MAKE_SOCKET, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
"""Rights that apply to a plain file, not to folders only."""
RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""File system rights that each version of the interface knows; later versions know those of the last one."""
TCP_ABI, SCOPE_ABI = 4, 6
"""First versions that can refuse TCP, and signals and abstract sockets to processes outside."""
BIND_AND_CONNECT_TCP = 0b11
SCOPE_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi_version() -> int:
    """Return the kernel's version of the interface. Raises OSError if it has none."""
    return syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)


def confine(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Restrict this process for good: it may read below `readable`, and read and write below `writable`.

    Paths that don't exist are skipped. If the kernel's version can, it also refuses TCP, and signals and abstract
    sockets to processes outside. Raises OSError.
    """
    version = abi_version()
    rights = RIGHTS_BY_ABI[min(version, max(RIGHTS_BY_ABI))]
    net = BIND_AND_CONNECT_TCP if version >= TCP_ABI else 0
    scoped = SCOPE_SOCKETS_AND_SIGNALS if version >= SCOPE_ABI else 0
    attributes = _Ruleset(rights, net, scoped)
    size = 8 if version < TCP_ABI else 16 if version < SCOPE_ABI else 24  # each of the two versions added a field
    ruleset = syscall(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    for path in readable:
        _allow(ruleset, path, READ & rights)
    for path in writable:
        _allow(ruleset, path, rights & ~(MAKE_SOCKET | MAKE_CHARACTER | MAKE_BLOCK))
    syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow rights on one path; if it is no folder, only those that a file can have. A missing path is skipped."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not Path(path).is_dir():
        rights &= FILE_RIGHTS
    rule = _PathBeneath(rights, parent)
    syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(parent)
