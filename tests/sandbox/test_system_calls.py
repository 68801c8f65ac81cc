"""The filter of system calls: what it answers, on each architecture, without a kernel."""

import errno
import struct

import pytest

from sandbox.inside import seccomp
from sandbox.inside.system_calls import ALLOWED, ON_REQUEST, RULED, SIGNALS_TO_OTHERS
from sandbox.profile import GPU_CALLS

MACHINES = list(seccomp.AUDIT_ARCH)
PID = 2
CLONE3 = 435
REQUESTABLE = {*ON_REQUEST, "ioctl", "socket", "setsockopt"}
Filter = list[seccomp.Instruction]


def answer(code: Filter, machine: str, number: int, *arguments: int) -> int | None:
    """Return the error number with which a filter answers a call, None if it allows the call."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, seccomp.AUDIT_ARCH[machine], 0, *padded)
    position = accumulator = 0
    while True:
        kind, yes, no, constant = code[position]
        if kind == seccomp.RETURN:
            return None if constant == seccomp.ALLOW else constant & ~seccomp.ERRNO
        if kind == seccomp.LOAD:
            accumulator = struct.unpack_from("<I", data, constant)[0]
            position += 1
            continue
        holds = {
            seccomp.JUMP_EQUAL: accumulator == constant,
            seccomp.JUMP_GREATER_EQUAL: accumulator >= constant,
            seccomp.JUMP_SET: bool(accumulator & constant),
        }[kind]
        position += 1 + (yes if holds else no)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_without_a_rule_is_refused(machine: str):
    """An old call fails as forbidden, a recent one and one of the x32 interface as missing; it is no deny list."""
    column, code = MACHINES.index(machine), seccomp.filter_program(machine, PID)
    listed = {numbers[column] for table in (ALLOWED, SIGNALS_TO_OTHERS, RULED) for numbers in table.values()}
    for number in set(range(1024)) - listed:
        assert answer(code, machine, number) == (errno.ENOSYS if number >= 424 else errno.EPERM), number
    assert answer(code, machine, CLONE3) == errno.ENOSYS
    assert answer(code, machine, 0x40000000) == errno.ENOSYS
    allowed = [number for numbers in ALLOWED.values() if (number := numbers[column]) is not None]
    assert all(answer(code, machine, number) is None for number in allowed)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("kill", (PID, 9), None), ("kill", (1, 9), errno.ESRCH), ("kill", (2**32 - 1, 9), errno.ESRCH),
        ("tgkill", (PID, PID, 6), None), ("tgkill", (1, 1, 9), errno.ESRCH),
        ("clone", (0x3D0F00,), None), ("clone", (0x10000000,), errno.EPERM), ("clone", (0x7E020000,), errno.EPERM),
        ("prlimit64", (0, 7, 0), None), ("prlimit64", (0, 7, 1), errno.EPERM),
        ("prlimit64", (0, 7, 1 << 32), errno.EPERM),
        ("rt_sigaction", (2, 1 << 40), None), ("rt_sigaction", (17, 0, 1), None), ("rt_sigaction", (17, 1 << 40), 0),
        ("fcntl", (3, 2), None), ("fcntl", (3, 6), errno.EPERM), ("fcntl", (3, 1031), errno.EPERM),
        ("ioctl", (1, 0x5401), None), ("ioctl", (1, 0x5412), errno.EPERM),
        ("socket", (1, 1), errno.EACCES), ("socket", (2, 1), errno.EACCES), ("setsockopt", (3, 1, 16), errno.EPERM),
    ],
)  # fmt: skip
def test_the_arguments_of_some_calls_decide(machine: str, name: str, arguments: tuple[int, ...], error: int | None):
    """Signals go to the process itself only; no namespace, no new limits, no locks, no network."""
    code = seccomp.filter_program(machine, PID)
    assert answer(code, machine, RULED[name][MACHINES.index(machine)], *arguments) == error


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("socket", (1, 0o2000005), None), ("socket", (2, 1), errno.EACCES), ("socket", (16, 3), errno.EACCES),
        ("socket", (1, 2), errno.EPERM), ("setsockopt", (3, 1, 16), None), ("setsockopt", (3, 1, 7), errno.EPERM),
        ("setsockopt", (3, 1, 32), errno.EPERM), ("ioctl", (3, 0xC0084600), None), ("fcntl", (3, 6), errno.EPERM),
    ],
)  # fmt: skip
def test_a_gpu_gets_sockets_of_bounded_size(machine: str, name: str, arguments: tuple[int, ...], error: int | None):
    """Only sockets of this machine with one sender each, whose buffers keep their size."""
    code = seccomp.filter_program(machine, PID, GPU_CALLS)
    assert answer(code, machine, RULED[name][MACHINES.index(machine)], *arguments) == error


def test_a_profile_requests_calls_that_the_tables_know():
    """A misspelt name would be refused on the card only."""
    assert set(GPU_CALLS) <= REQUESTABLE


def test_an_architecture_without_a_table_is_refused():
    """The sandbox has no default filter."""
    with pytest.raises(OSError, match="no seccomp table"):
        seccomp.filter_program("riscv64", pid=PID)
