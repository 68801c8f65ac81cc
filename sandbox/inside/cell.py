"""One run's confinement: from a fork of the zygote to the call of its entry.

    zygote ── fork ── [new user, pid, net, ipc, uts, mount namespaces] ── fork: process 1 ── fork: the run

The order matters: namespaces while the process may still write its own uid map; mounts while it has capabilities over
them; then capabilities dropped, limits, landlock, and the filter of system calls last.
"""

import faulthandler
import gc
import importlib
import os
import random
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sandbox.frames import Channel, Frame
from sandbox.inside import landlock, linux, seccomp
from sandbox.inside.report import fault_of

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (of the run's own mount namespace)
SCRATCH_FILES, SHARED_FILES, SHARED_BYTES = 4096, 64, 16 << 20
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
KERNEL_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
"""What torch reads of the machine."""
BROKEN_CHANNEL = 76
"""Exit code of a run that could not report (EX_PROTOCOL)."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What the outside asks of one run."""

    entry: str
    """`module:function`, called with the channel."""
    cpu_seconds: int
    memory_bytes: int
    """Address space beyond what the zygote has."""
    scratch: str
    """The folder it may write to; mounted afresh where it is confined."""
    scratch_bytes: int
    processes: int
    files: int
    confined: bool
    """False only under `--sandbox none`."""
    readable: tuple[str, ...]
    """Folders that may be read."""
    devices: tuple[str, ...]
    """Device files that may be used."""
    calls: tuple[str, ...]
    """System calls that are refused elsewhere and may be made here."""
    bounded: bool
    """Whether the address space is limited."""
    process_table: bool
    """Whether it gets a process table of its own, which it may write to as far as its processes are its own."""


def open_cell(order: RunOrder, channel: int, output: int, status: int) -> int:
    """Fork the run with its own process 1 and return that process' id, seen from here. Raises OSError."""
    reader, writer = os.pipe()
    gate = os.fork()
    if gate == 0:
        _guarded(lambda: _enter_namespaces(order, writer, channel, output, status))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(gate, 0)
    if not answer.startswith("pid "):
        raise OSError(answer or "the run's namespaces could not be entered")
    return int(answer.removeprefix("pid "))


def _enter_namespaces(order: RunOrder, writer: int, channel: int, output: int, status: int) -> None:
    """Move to new namespaces, fork process 1 there, and say its id or why there is none."""
    try:
        if order.confined:
            _unshare_as_self()
        first = os.fork()
        if first == 0:
            os.close(writer)
            _guarded(lambda: _be_first(order, channel, output, status))
        os.write(writer, f"pid {first}".encode())
    except OSError as error:
        os.write(writer, str(error).encode())


def _unshare_as_self() -> None:
    """Enter new namespaces, the user namespace with this one user in it."""
    user, group = os.getuid(), os.getgid()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # after setuid the files below /proc/self belong to root until this is said
    linux.unshare(linux.NEW_NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _be_first(order: RunOrder, channel: int, output: int, status: int) -> None:
    """Be process 1: start the run and turn into the small waiting program."""
    os.setsid()
    if order.confined:
        linux.mount_tmpfs(order.scratch, order.scratch_bytes, SCRATCH_FILES)
        linux.mount_tmpfs(SHARED_MEMORY, SHARED_BYTES, SHARED_FILES)
        if order.process_table:
            linux.mount_process_table()
    run = os.fork()
    if run == 0:
        os.close(status)
        _guarded(lambda: _run(order, channel, output))
    _close_all_but(status)
    os.set_inheritable(status, True)
    program = str(Path(__file__).with_name("init.py"))
    os.execv(sys.executable, [sys.executable, "-I", "-S", program, str(run), str(status)])  # noqa: S606


def _run(order: RunOrder, channel: int, output: int) -> None:
    """Confine this process and call the entry; what it raises goes out as a frame of kind `fault`."""
    own = os.getpid()
    frames = Channel(socket.socket(fileno=channel), order.memory_bytes)  # the parent is believed; memory is the bound
    try:
        _settle(order, channel, output)
        module, _, name = order.entry.partition(":")
        getattr(importlib.import_module(module), name)(frames)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (whatever a candidate raises has to be named)
        if os.getpid() == own:
            _report(frames, error)


def _settle(order: RunOrder, channel: int, output: int) -> None:
    """Take on the output pipe, the limits and the confinement."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _close_all_but(channel)
    sys.stdout, sys.stderr = (open(number, "w", 1, errors="replace", closefd=False) for number in (1, 2))  # noqa: SIM115
    faulthandler.enable(file=2)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    random.seed(0)
    gc.enable()
    os.chdir(order.scratch)
    if order.confined:
        linux.drop_capabilities()
    _limit(order)
    if order.confined:
        readable, writable = (*order.readable, *KERNEL_FILES), (order.scratch, SHARED_MEMORY, *DEVICES, *order.devices)
        if order.process_table:
            linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else its files there belong to root
            writable = (*writable, "/proc")
        landlock.confine(readable, writable)
        seccomp.confine(order.calls)


def _close_all_but(kept: int) -> None:
    """Close every descriptor but the standard three and one more."""
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 20)


def _limit(order: RunOrder) -> None:
    """Set the limits that the kernel enforces; soft and hard, so that they can't be raised."""
    size_in_pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = size_in_pages * resource.getpagesize() + order.memory_bytes
    limits = {
        resource.RLIMIT_AS: space if order.bounded else resource.RLIM_INFINITY,
        resource.RLIMIT_FSIZE: order.scratch_bytes,
        resource.RLIMIT_NOFILE: order.files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if order.confined:  # counted per user, so only where the namespace makes the user this run's own
        limits[resource.RLIMIT_NPROC] = order.processes
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_seconds, order.cpu_seconds + 1))  # SIGXCPU, then SIGKILL


def _report(frames: Channel, error: BaseException) -> None:
    """Send what went wrong; a run that can't report leaves with a code of its own."""
    fault = fault_of(error)
    try:
        frames.send(Frame("fault", {"reason": fault.reason, "message": fault.message, "tail": fault.tail}))
    except (OSError, ValueError):
        os._exit(BROKEN_CHANNEL)


def _guarded(step: object) -> NoReturn:
    """Do a forked process' part and leave without the zygote's own ending."""
    code = 1
    try:
        step()  # type: ignore[operator]
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException as error:  # noqa: BLE001 (nothing may climb into the zygote's loop)
        print(f"jail: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        sys.stdout.flush()
        os._exit(code & 0xFF)
