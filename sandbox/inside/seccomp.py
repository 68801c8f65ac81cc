"""Seccomp: the system calls that a run may make.

The filter lists the calls that it refuses. All others pass, since libraries such as torch may make most of them. A
refused call fails with an error number, from which `sandbox.inside.report` names the reason: EPERM for a forbidden
call, EACCES for the network, ESRCH for a signal to another process.
"""

import ctypes
import errno
import os
import platform
from collections.abc import Collection

from sandbox.inside.linux import NEW_NAMESPACES, PR_SET_SECCOMP, prctl

# In all tables, name: (number on x86_64, number on aarch64); None if the architecture has no such call.
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # other processes' memory and descriptors
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # other identities
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setgroups": (116, 159), "setfsuid": (122, 151), "setfsgid": (123, 152),
    "capset": (126, 91),
    # the tree of mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "mknod": (133, None), "mknodat": (259, 33), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "uselib": (134, None),
    # its own limits (prlimit64 may read, see below)
    "setrlimit": (160, 164), "personality": (135, 92), "modify_ldt": (154, None),
    # memory that no limit counts
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180),
    # descriptors in transit are in no process' table, so their memory would not be counted
    "sendmsg": (46, 211), "sendmmsg": (307, 269),
    # programs
    "execve": (59, 221), "execveat": (322, 281),
    # interfaces of the kernel with a history of vulnerabilities
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "fanotify_init": (300, 262), "quotactl": (179, 60), "vhangup": (153, 58),
    # the machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "syslog": (103, 116), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
SIGNALS_TO_OTHERS = {
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130), "pidfd_open": (434, 434),
}  # fmt: skip
"""Calls that send a signal or prepare to; all are refused, whatever their target."""
SIGNALS = {"kill": (62, 129), "tgkill": (234, 131)}
"""Calls whose first argument is the process that they signal."""
CLONE, CLONE3, PRLIMIT, SOCKET = (56, 220), (435, 435), (302, 261), (41, 198)
AF_UNIX = 1
"""The family of sockets between processes of one machine."""

SECCOMP_MODE_FILTER = 2
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's number of each architecture, in the order of the tables' columns."""
X32_BIT = 0x40000000
"""Set in the numbers of the x32 interface, which the tables don't cover."""
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Codes of BPF instructions."""
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
"""Results of the filter; the error number is added to ERRNO."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in bytes in the kernel's `struct seccomp_data`: the call's number, the architecture, six arguments of 8."""

Instruction = tuple[int, int, int, int]
"""A BPF instruction: (code, instructions to skip if true, instructions to skip if false, constant)."""


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def confine(allowed: Collection[str] = ()) -> None:
    """Refuse forbidden calls except those `allowed`, to this process and all that it starts. Raises OSError.

    Of sockets, only those between processes of one machine can be allowed.
    """
    code = filter_program(platform.machine(), os.getpid(), allowed)
    filters = (_Filter * len(code))(*(_Filter(*instruction) for instruction in code))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(code), filters)))


def filter_program(machine: str, pid: int, allowed: Collection[str] = ()) -> list[Instruction]:
    """Return the filter for an architecture; signals pass to process `pid` only.

    Raises OSError for an architecture without a table.
    """
    if machine not in AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp table for {machine}")
    column = list(AUDIT_ARCH).index(machine)
    code = [
        (LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]), (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER), (JUMP_GREATER_EQUAL, 0, 1, X32_BIT), (RETURN, 0, 0, ERRNO | errno.ENOSYS),
    ]  # fmt: skip
    forbidden = {name: numbers for name, numbers in FORBIDDEN.items() if name not in allowed}
    if "socket" in allowed:
        code += _unless_argument(SOCKET[column], [(JUMP_EQUAL, 1, 0, AF_UNIX)], errno.EACCES, argument=0)
    else:
        code += _refuse(SOCKET[column], errno.EACCES)
    for table, error in ((forbidden, errno.EPERM), (SIGNALS_TO_OTHERS, errno.ESRCH)):
        for numbers in table.values():
            code += _refuse(numbers[column], error)
    code += _refuse(CLONE3[column], errno.ENOSYS)  # its flags lie in memory: the C library falls back to clone
    code += _unless_argument(CLONE[column], [(JUMP_SET, 0, 1, NEW_NAMESPACES)], errno.EPERM, argument=0)
    for numbers in SIGNALS.values():
        code += _unless_argument(numbers[column], [(JUMP_EQUAL, 1, 0, pid)], errno.ESRCH, argument=0)
    # prlimit64 only reads if the pointer to the new limits is null: both halves of argument 2 are zero
    no_new_limits = [(JUMP_EQUAL, 0, 2, 0), (LOAD, 0, 0, _argument_offset(2) + 4), (JUMP_EQUAL, 1, 0, 0)]
    code += _unless_argument(PRLIMIT[column], no_new_limits, errno.EPERM, argument=2)
    return [*code, (RETURN, 0, 0, ALLOW)]


def _refuse(number: int | None, error: int) -> list[Instruction]:
    """Return the instructions that refuse a call; none if the architecture lacks the call."""
    return [] if number is None else [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]


def _unless_argument(number: int, test: list[Instruction], error: int, *, argument: int) -> list[Instruction]:
    """Return the instructions that refuse a call unless an argument passes a test.

    The test starts with the low half of the argument loaded. It skips the instruction after it if the argument passes.
    """
    body = [(LOAD, 0, 0, _argument_offset(argument)), *test, (RETURN, 0, 0, ERRNO | error), (LOAD, 0, 0, NUMBER)]
    return [(JUMP_EQUAL, 0, len(body), number), *body]


def _argument_offset(argument: int) -> int:
    """Return the offset of an argument's low half; the high half is 4 bytes further."""
    return ARGUMENTS + 8 * argument
