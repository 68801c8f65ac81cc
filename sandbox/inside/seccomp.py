"""Seccomp: the system calls that a run may make.

The filter lists the calls that it allows (`sandbox.inside.system_calls`), some of them with certain arguments only.
All others fail with an error number, from which `sandbox.inside.report` names the reason: EACCES for the network, ESRCH
for a signal to another process, EPERM for the rest. A recent call fails with ENOSYS, as on a kernel that lacks it, and
libraries know what to do then: the C library creates threads with `clone` in place of `clone3`, whose flags no filter
can read.
"""

import ctypes
import errno
import itertools
import os
import platform
import signal
import socket
from collections.abc import Collection, Iterable

from sandbox.inside.linux import NEW_NAMESPACES, PR_SET_SECCOMP, prctl
from sandbox.inside.system_calls import ALLOWED, FIRST_RECENT, ON_REQUEST, RULED, SIGNALS_TO_OTHERS

SECCOMP_MODE_FILTER = 2
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's number of each architecture, in the order of the tables' columns."""
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Codes of BPF instructions."""
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
"""Results of the filter; the error number is added to ERRNO."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in bytes in the kernel's `struct seccomp_data`: the call's number, the architecture, six arguments of 8."""
FILE_COMMANDS = (0, 1, 2, 3, 4, 1030, 1033, 1034)
"""Commands of `fcntl`: copy a descriptor, get and set flags and seals. The kernel's memory for locks isn't counted."""
STREAM_COMMANDS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Commands of `ioctl`: is it a terminal and how wide, how many bytes wait, blocking or not, open across exec or not."""
SOCKET_TYPES = tuple(
    kind | flags
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    for flags in (0, socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
)
"""Sockets with one sender each, so that their number bounds the bytes that wait in them."""
SEND_BUFFER_SIZES = (7, 32)
"""Options of a socket that set how many sent bytes may wait (SO_SNDBUF, SO_SNDBUFFORCE)."""

Instruction = tuple[int, int, int, int]
"""A BPF instruction: (code, instructions to skip if true, instructions to skip if false, constant)."""


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def confine(requested: Collection[str] = ()) -> None:
    """Refuse all calls but the usual ones and those `requested`, to this process and what it starts. Raises OSError.

    Of sockets, only those between processes of one machine can be requested.
    """
    code = filter_program(platform.machine(), os.getpid(), requested)
    filters = (_Filter * len(code))(*(_Filter(*instruction) for instruction in code))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(code), filters)))


def filter_program(machine: str, pid: int, requested: Collection[str] = ()) -> list[Instruction]:
    """Return the filter for an architecture; signals pass to process `pid` only.

    Raises OSError for an architecture without a table.
    """
    if machine not in AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp table for {machine}")
    column = list(AUDIT_ARCH).index(machine)
    code = [
        (LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]), (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ]  # fmt: skip
    allowed = ALLOWED | {name: numbers for name, numbers in ON_REQUEST.items() if name in requested}
    code += _allow({number for numbers in allowed.values() if (number := numbers[column]) is not None})
    for numbers in SIGNALS_TO_OTHERS.values():
        code += _on_call(numbers[column], [_refusal(errno.ESRCH)])
    for name, body in _rules(pid, requested).items():
        code += _on_call(RULED[name][column], body)
    # the numbers of the x32 interface, which the tables don't cover, are higher still
    return [*code, (JUMP_GREATER_EQUAL, 0, 1, FIRST_RECENT), _refusal(errno.ENOSYS), _refusal(errno.EPERM)]


def _rules(pid: int, requested: Collection[str]) -> dict[str, list[Instruction]]:
    """Return, by its name, the instructions that decide on a call by its arguments."""
    allow = (RETURN, 0, 0, ALLOW)
    # A process that ignores SIGCHLD loses the times of its ended children, which the watchdog must see. To change its
    # action seems to succeed, since programs such as shells don't expect a refusal.
    child_ends = _if_null(1, error=0)
    to_itself = [*_one_of(_low(0), [pid], errno.ESRCH), allow]
    rules = {
        "kill": to_itself,
        "tgkill": to_itself,
        "clone": [*_unless(_low(0), JUMP_SET, NEW_NAMESPACES), allow],
        "prlimit64": [*_if_null(2, errno.EPERM), allow],  # without new limits it only reads
        "rt_sigaction": [(LOAD, 0, 0, _low(0)), (JUMP_EQUAL, 0, len(child_ends), signal.SIGCHLD), *child_ends, allow],
        "fcntl": [*_one_of(_low(1), FILE_COMMANDS), allow],
        "ioctl": [allow] if "ioctl" in requested else [*_one_of(_low(1), STREAM_COMMANDS), allow],
        "socket": [_refusal(errno.EACCES)],
    }
    if "socket" in requested:
        family = _one_of(_low(0), [socket.AF_UNIX], errno.EACCES)
        rules["socket"] = [*family, *_one_of(_low(1), SOCKET_TYPES), allow]
        buffers = [test for option in SEND_BUFFER_SIZES for test in _unless(_low(2), JUMP_EQUAL, option)]
        rules["setsockopt"] = [*buffers, allow]
    return rules


def _allow(numbers: set[int]) -> list[Instruction]:
    """Return the instructions that allow calls, one test for each row of numbers: the kernel tries every number."""
    code: list[Instruction] = []
    for first in sorted(number for number in numbers if number - 1 not in numbers):
        end = next(number for number in itertools.count(first) if number not in numbers)
        code += [(JUMP_GREATER_EQUAL, 0, 2, first), (JUMP_GREATER_EQUAL, 1, 0, end), (RETURN, 0, 0, ALLOW)]
    return code


def _on_call(number: int | None, body: list[Instruction]) -> list[Instruction]:
    """Return `body`, which must end with a result, behind a test of the call's number; [] if there is no such call."""
    return [] if number is None else [(JUMP_EQUAL, 0, len(body), number), *body]


def _one_of(offset: int, values: Iterable[int], error: int = errno.EPERM) -> list[Instruction]:
    """Return the instructions that refuse the call unless the half argument at an offset has one of the values."""
    constants = list(values)
    tests = [(JUMP_EQUAL, len(constants) - index, 0, value) for index, value in enumerate(constants)]
    return [(LOAD, 0, 0, offset), *tests, _refusal(error)]


def _if_null(argument: int, error: int) -> list[Instruction]:
    """Return the instructions that refuse the call unless an argument is a null pointer."""
    return [*_one_of(_low(argument), [0], error), *_one_of(_high(argument), [0], error)]


def _unless(offset: int, test: int, value: int) -> list[Instruction]:
    """Return the instructions that refuse the call if the half argument at an offset passes a test."""
    return [(LOAD, 0, 0, offset), (test, 0, 1, value), _refusal(errno.EPERM)]


def _refusal(error: int) -> Instruction:
    """Return the result that lets a call fail with an error number."""
    return (RETURN, 0, 0, ERRNO | error)


def _low(argument: int) -> int:
    """Return the offset of an argument's low half."""
    return ARGUMENTS + 8 * argument


def _high(argument: int) -> int:
    """Return the offset of an argument's high half."""
    return _low(argument) + 4
