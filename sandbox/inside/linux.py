"""Calls of Linux that Python lacks, by ctypes."""

import ctypes
import os

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
NEW_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38

_libc = ctypes.CDLL(None, use_errno=True)


def check_result(result: int, call: str) -> int:
    """Return a call's result. Raises OSError if it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int, pointer: object = None) -> None:
    """Set a property of this process. Raises OSError."""
    check_result(_libc.prctl(option, ctypes.c_ulong(value), pointer, None, None), f"prctl({option})")


def unshare(flags: int) -> None:
    """Move this process into new namespaces. Raises OSError."""
    check_result(_libc.unshare(flags), "unshare")


def mount_tmpfs(path: str, size: int, inodes: int) -> None:
    """Mount a new memory file system of at most `size` bytes and `inodes` files. Raises OSError."""
    options = f"size={size},nr_inodes={inodes},mode=1777".encode()
    check_result(
        _libc.mount(b"tmpfs", path.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options), f"mount tmpfs on {path}"
    )


def mount_process_table() -> None:
    """Mount the table of this namespace's processes over the present one. Raises OSError."""
    check_result(_libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None), "mount proc on /proc")


def syscall(number: int, *arguments: object) -> int:
    """Make a system call that the C library has no function for. Raises OSError."""
    return check_result(_libc.syscall(number, *arguments), f"syscall {number}")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """Give up every capability of this process, including those over its own namespaces. Raises OSError."""
    header = _CapabilityHeader(0x20080522, 0)
    no_capabilities = (ctypes.c_uint32 * 6)()
    check_result(_libc.capset(ctypes.byref(header), ctypes.byref(no_capabilities)), "capset")
