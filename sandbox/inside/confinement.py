"""One run's confinement: from a fork of the zygote to the call of the run's entry.

    zygote ── fork ── [new user, pid, net, ipc, uts, mount namespaces] ── fork: process 1 ── fork: the run

The order matters. Namespaces come first, while the process may still write its own uid map; then mounts, while it has
capabilities over them. Then capabilities are dropped and limits are set. Landlock and the filter of system calls come
last.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sandbox.faults import PROTOCOL_EXIT_CODE
from sandbox.frames import Channel, Frame
from sandbox.inside import landlock, linux, seccomp
from sandbox.inside.report import fault_of

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (of the run's own mount namespace)
MAX_SCRATCH_FILES, MAX_SHARED_FILES, SHARED_BYTES = 4096, 64, 16 << 20
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
NICENESS = 5
"""Steps by which a run yields the processor to the project's own processes; a run can only add to them."""
KERNEL_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat")
"""Files about the machine that torch reads."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run executes, and its confinement."""

    entry: str
    """`module:function`, called with the channel."""
    cpu_seconds: int
    """CPU time of one process; the watchdog limits that of all together."""
    memory_bytes: int
    """Address space in addition to the zygote's."""
    scratch: str
    """The folder that the run may write to; if the run is confined, a new file system is mounted there."""
    scratch_bytes: int
    processes: int
    open_files: int
    confined: bool
    """False only for a sandbox of kind "none"."""
    readable: tuple[str, ...]
    """Folders that the run may read."""
    devices: tuple[str, ...]
    """Device files that the run may use."""
    allowed_calls: tuple[str, ...]
    """System calls that are allowed in addition to the usual ones."""
    limit_address_space: bool
    process_table: bool
    """Whether the run has its own process table; it may write to the entries of its own processes."""


def start_run(spec: RunSpec, channel: int, output: int, status: int) -> int:
    """Fork a run with its own process 1, and return that process' id in this namespace. Raises OSError.

    `channel`, `output` and `status` are descriptors: of the run's frames, of what it prints, and of how it ended.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _call_and_exit(lambda: _enter_namespaces(spec, writer, channel, output, status))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer.startswith("pid "):
        raise OSError(answer or "the run's namespaces could not be entered")
    return int(answer.removeprefix("pid "))


def _enter_namespaces(spec: RunSpec, writer: int, channel: int, output: int, status: int) -> None:
    """Enter new namespaces, fork process 1 there, and write its id to `writer`, or why there is none."""
    try:
        if spec.confined:
            _unshare_as_same_user()
        process_1 = os.fork()
        if process_1 == 0:
            os.close(writer)
            _call_and_exit(lambda: _become_process_1(spec, channel, output, status))
        os.write(writer, f"pid {process_1}".encode())
    except OSError as error:
        os.write(writer, str(error).encode())


def _unshare_as_same_user() -> None:
    """Enter new namespaces; the user namespace contains this process' user only."""
    user, group = os.getuid(), os.getgid()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # after setuid, root owns the files below /proc/self until this call
    linux.unshare(linux.NEW_NAMESPACES)
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, the kernel kills the run first
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _become_process_1(spec: RunSpec, channel: int, output: int, status: int) -> None:
    """Mount the run's file systems, start the run, and become the small waiting program."""
    os.setsid()
    if spec.confined:
        linux.mount_tmpfs(spec.scratch, spec.scratch_bytes, MAX_SCRATCH_FILES)
        linux.mount_tmpfs(SHARED_MEMORY, SHARED_BYTES, MAX_SHARED_FILES)
        if spec.process_table:
            linux.mount_process_table()
    run = os.fork()
    if run == 0:
        os.close(status)
        _call_and_exit(lambda: _run(spec, channel, output))
    _close_all_but(status)
    os.set_inheritable(status, True)
    program = str(Path(__file__).with_name("init.py"))
    os.execv(sys.executable, [sys.executable, "-I", "-S", program, str(run), str(status)])  # noqa: S606


def _run(spec: RunSpec, channel: int, output: int) -> None:
    """Confine this process and call the entry; an exception is sent as a frame of kind `fault`."""
    pid = os.getpid()
    frames = Channel(socket.socket(fileno=channel), spec.memory_bytes)  # the parent is trusted; memory is the bound
    try:
        _set_up_process(spec, channel, output)
        _confine(spec)
        module, _, name = spec.entry.partition(":")
        getattr(importlib.import_module(module), name)(frames)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (the run may raise anything, and it needs a reason code)
        if os.getpid() == pid:
            _send_fault(frames, error)


def _set_up_process(spec: RunSpec, channel: int, output: int) -> None:
    """Connect the standard streams to the output pipe, undo the settings of the zygote, and yield to other work."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _close_all_but(channel)
    sys.stdout, sys.stderr = (open(number, "w", 1, errors="replace", closefd=False) for number in (1, 2))  # noqa: SIM115
    faulthandler.enable(file=2)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    random.seed(0)
    gc.enable()
    os.nice(NICENESS)
    os.chdir(spec.scratch)


def _confine(spec: RunSpec) -> None:
    """Drop capabilities, set the limits, and restrict files and system calls."""
    if spec.confined:
        linux.drop_capabilities()
    _set_limits(spec)
    if spec.confined:
        readable, writable = (*spec.readable, *KERNEL_FILES), (spec.scratch, SHARED_MEMORY, *DEVICES, *spec.devices)
        if spec.process_table:
            linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else root owns the run's files in the table
            writable = (*writable, "/proc")
        landlock.confine(readable, writable)
        seccomp.confine(spec.allowed_calls)


def _close_all_but(descriptor: int) -> None:
    """Close every descriptor except the three standard ones and this one."""
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, 1 << 20)


def _set_limits(spec: RunSpec) -> None:
    """Set the limits that the kernel enforces; soft and hard, so that the run can't raise them."""
    size_in_pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = size_in_pages * resource.getpagesize() + spec.memory_bytes
    limits = {
        resource.RLIMIT_AS: address_space if spec.limit_address_space else resource.RLIM_INFINITY,
        resource.RLIMIT_FSIZE: spec.scratch_bytes,
        resource.RLIMIT_NOFILE: spec.open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if spec.confined:  # counted per user, and only a namespace makes the user the run's own
        limits[resource.RLIMIT_NPROC] = spec.processes
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (spec.cpu_seconds, spec.cpu_seconds + 1))  # SIGXCPU, then SIGKILL


def _send_fault(frames: Channel, error: BaseException) -> None:
    """Send the fault of an exception; if that fails, leave with the exit code for it."""
    fault = fault_of(error)
    try:
        frames.send(Frame("fault", {"reason": fault.reason, "message": fault.message, "tail": fault.tail}))
    except (OSError, ValueError):
        os._exit(PROTOCOL_EXIT_CODE)


def _call_and_exit(step: Callable[[], None]) -> NoReturn:
    """Call a forked process' part and exit, so that the process never returns into the zygote's loop."""
    code = 1
    try:
        step()
        code = 0
    except SystemExit as request:
        code = request.code if isinstance(request.code, int) else 1
    except BaseException as error:  # noqa: BLE001 (nothing may reach the zygote's loop)
        print(f"jail: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        sys.stdout.flush()
        os._exit(code & 0xFF)
