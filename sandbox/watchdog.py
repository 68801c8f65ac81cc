"""The watchdog of one run: it measures time, memory, tasks and output from outside, and kills on a breach.

A thread of the parent reads the sandbox' process table every `POLL_INTERVAL_S` and drains the run's output. The first
breach is the reason of the run's end; nothing that the run does can change it.
"""

import os
import select
import signal
import threading
import time
from dataclasses import dataclass
from typing import Self

from sandbox.faults import PROTOCOL_EXIT_CODE, JailFault
from sandbox.idle_time import IdleTime
from sandbox.profile import CPU_PROFILE, Profile
from sandbox.usage import RunUsage, total_usage
from sandbox.zygote import Zygote

POLL_INTERVAL_S = 0.05
"""Seconds between two measurements."""
WALL_FACTOR = 8.0
"""Wall time that a run may take, as a multiple of its seconds: so much a busy machine may slow it down."""
MAX_OUTPUT_TAIL_BYTES = 16_000
"""Bytes stored from the end of the output."""
MEMORY_KILL = "the kernel killed a process of it, since all together had no memory left"
SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
"""Signals that reason codes name; the others go by their number."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Limits of a run."""

    seconds: float = 0.0
    """Time that it may wait, and that it may compute: see `cpus`. Time in which others had the processors is free, up
    to `WALL_FACTOR` times as much in all."""
    cpus: float = CPU_PROFILE.cpus
    """Limit on the CPU time of all its processes together, ended ones included, as a multiple of `seconds`."""
    memory_bytes: int = 0
    """Private memory of all its processes together, beyond what they share with the zygote."""
    processes: int = CPU_PROFILE.processes
    """Processes and threads."""
    output_bytes: int = 1 << 20
    """Bytes written to stdout and stderr."""
    scratch_bytes: int = CPU_PROFILE.scratch_bytes
    """Bytes in its scratch folder."""
    open_files: int = CPU_PROFILE.open_files
    """Open files of a process."""

    @classmethod
    def from_profile(cls, profile: Profile) -> Self:
        """Return the limits of a device's profile; time and memory are still to be set."""
        return cls(
            cpus=profile.cpus,
            processes=profile.processes,
            scratch_bytes=profile.scratch_bytes,
            open_files=profile.open_files,
        )

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all processes together."""
        return self.seconds * self.cpus


def fault_of_status(status: str) -> tuple[str, str]:
    """Return (reason, message) of a run that ended without an answer.

    `status` is what its process 1 reported: `exit N`, `signal N`, or nothing if the jail went away first.
    """
    word, _, number = status.partition(" ")
    if word == "signal":
        return _fault_of_signal(int(number))
    if word == "exit":
        if int(number) == PROTOCOL_EXIT_CODE:
            return "protocol_error", "the run could not write to its channel"
        return "no_result", f"the run left with exit code {number} and no result"
    return "crash:jail", "the jail went away"


def _fault_of_signal(number: int) -> tuple[str, str]:
    """Return (reason, message) of a run that a signal ended."""
    if number == signal.SIGXCPU:
        return "timeout", "its CPU time ran out"
    if number == signal.SIGXFSZ:
        return "limit:disk", "a file grew over the limit"
    if number == signal.SIGSYS:
        return "denied:syscall", "it made a system call of another architecture"
    name = SIGNALS.get(number, str(number))
    return f"crash:{name}", f"it was killed by {name}"


class Watchdog(threading.Thread):
    """Measures a run until its process 1 has reported how it ended, or kills it."""

    def __init__(self, limits: SandboxLimits, output: int, status: int, zygote: Zygote) -> None:
        """Watch a run that the zygote is about to start.

        `output` and `status` are descriptors: of what the run prints, and of how it ended. The watchdog closes both.
        """
        super().__init__(name="watchdog", daemon=True)
        self.limits = limits
        self.deadline = time.monotonic() + WALL_FACTOR * limits.seconds
        self._idle, self._cpu_s = IdleTime(time.monotonic(), limits.seconds), 0.0
        self.breach: tuple[str, str] | None = None
        """(reason, message) of the exceeded limit."""
        self._output, self._status = output, status
        self._zygote = zygote
        self._cpu_s_before, self._memory_kills_before = self._group_counts()
        self._output_size = 0
        self._output_tail = bytearray()
        self._status_text = ""
        self._run_ended = threading.Event()
        self._stopping = threading.Event()

    @property
    def remaining_s(self) -> float:
        """Seconds that the run may still wait, or compute on all its processors."""
        return self.limits.seconds - max(self._idle.seconds, self._cpu_s / self.limits.cpus)

    @property
    def tail(self) -> str:
        """The end of the run's output."""
        return bytes(self._output_tail).decode(errors="replace")

    def run(self) -> None:
        """Measure until the run ends."""
        open_ends = [self._output, self._status]
        while self._status in open_ends and not self._stopping.is_set():
            readable, _, _ = select.select(open_ends, [], [], POLL_INTERVAL_S)
            for descriptor in readable:
                if not self._drain(descriptor):
                    open_ends.remove(descriptor)
            if self.breach is None and self._status in open_ends:
                self._check_limits()
        while self._output in open_ends and self._drain(self._output, wait=False):
            pass
        os.close(self._output)
        os.close(self._status)
        if self.breach is None and self._group_counts()[1] > self._memory_kills_before:
            self.breach = ("limit:memory", MEMORY_KILL)
        self._run_ended.set()

    def usage(self) -> RunUsage:
        """Return what the run uses now. Raises OSError if the sandbox is gone."""
        zygote, calls = self._zygote, self._zygote.profile.allowed_calls
        memory_files, sockets = "memfd_create" in calls, zygote.confined and "socket" in calls
        usage = total_usage(zygote.run_processes(), zygote.base_bytes, memory_files=memory_files, sockets=sockets)
        return usage if zygote.group is None else usage._replace(cpu_s=zygote.group.cpu_s() - self._cpu_s_before)

    def _group_counts(self) -> tuple[float, int]:
        """Return what the control group has counted so far: CPU seconds, and processes killed for their memory."""
        try:
            return (0.0, 0) if (group := self._zygote.group) is None else (group.cpu_s(), group.memory_kills())
        except OSError:  # the sandbox is gone
            return 0.0, 0

    def stop(self) -> None:
        """Stop measuring and return when the descriptors are closed."""
        self._stopping.set()
        self.join()

    def fault(self, timeout_s: float) -> JailFault | None:
        """Return why the run gave no answer, as soon as this is known; None if it still runs after the timeout."""
        self._run_ended.wait(timeout_s)
        if self.breach is not None:
            return JailFault(*self.breach, self.tail)
        if not self._run_ended.is_set():
            return None
        return JailFault(*fault_of_status(self._status_text), self.tail)

    def _drain(self, descriptor: int, *, wait: bool = True) -> bool:
        """Read once from a descriptor; return whether more may follow."""
        if not wait and not select.select([descriptor], [], [], 0)[0]:
            return False
        data = os.read(descriptor, 1 << 16)
        if descriptor == self._status:
            self._status_text += data.decode(errors="replace")
        else:
            self._output_size += len(data)
            self._output_tail += data
            del self._output_tail[:-MAX_OUTPUT_TAIL_BYTES]
        return bool(data)

    def _check_limits(self) -> None:
        """Kill the run if it has exceeded a limit."""
        limits = self.limits
        if time.monotonic() > self.deadline:
            self._kill("timeout", f"no end within {WALL_FACTOR * limits.seconds:g} s")
        elif self._output_size > limits.output_bytes:
            self._kill("limit:output", f"more than {limits.output_bytes} bytes of output")
        else:
            self._check_usage()

    def _check_usage(self) -> None:
        """Kill the run if it uses too much memory, too many tasks or too much CPU time."""
        limits = self.limits
        try:
            usage = self.usage()
        except OSError:
            return  # the sandbox is gone; its status tells why
        self._cpu_s = usage.cpu_s
        if usage.memory_bytes > limits.memory_bytes:
            self._kill("limit:memory", f"more than {limits.memory_bytes >> 20} MiB of memory")
        elif usage.tasks >= limits.processes:
            self._kill("limit:procs", f"{usage.tasks} processes and threads")
        elif self._group_counts()[1] > self._memory_kills_before:
            self._kill("limit:memory", MEMORY_KILL)
        elif usage.cpu_s > limits.cpu_seconds:
            self._kill("timeout", f"more than {limits.cpu_seconds:g} s of CPU time, all processes together")
        elif self._idle.count(time.monotonic(), usage.cpu_s, runnable=usage.runnable) > limits.seconds:
            self._kill("timeout", f"no end within {limits.seconds:g} s of waiting")

    def _kill(self, reason: str, message: str) -> None:
        """Store the breach and end the run."""
        self.breach = (reason, message)
        self._zygote.end_run()
