"""The watch over one run: its clock, its memory, its processes and its output, from outside.

A thread of the trainer's parent looks at the sandbox' process table twenty times a second, drains what the run prints,
and kills on the first breach. What it finds first is the reason; nothing the run does can change it.
"""

import os
import select
import threading
import time
from dataclasses import dataclass
from typing import Self

from sandbox.faults import JailFault
from sandbox.profile import CPU, Profile
from sandbox.usage import census
from sandbox.zygote import Zygote

POLL_INTERVAL_S = 0.05
"""Seconds between two looks."""
MAX_OUTPUT_TAIL_BYTES = 16_000
"""Bytes of output that are kept, the last ones."""
PROTOCOL_EXIT = 76
SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
CPU_SIGNAL, FILE_SIGNAL, SYSTEM_CALL_SIGNAL = 24, 25, 31


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What a run may use."""

    seconds: float = 0.0
    """Of wall clock, from the start of the run; its CPU time is held to the same."""
    memory_bytes: int = 0
    """Private memory of all its processes together, beyond what they share with the zygote."""
    processes: int = CPU.processes
    """Processes and threads."""
    output_bytes: int = 1 << 20
    """Written to stdout and stderr."""
    scratch_bytes: int = CPU.scratch_bytes
    """In its scratch folder."""
    files: int = CPU.files
    """Open at once."""

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Return the limits that a device's profile sets, time and memory left to be said."""
        return cls(processes=profile.processes, scratch_bytes=profile.scratch_bytes, files=profile.files)


def ending(status: str) -> tuple[str, str]:
    """Return (reason, message) of a run that ended without an answer, from what its process 1 said."""
    word, _, number = status.partition(" ")
    if word == "signal":
        return _killed(int(number))
    if word == "exit":
        if int(number) == PROTOCOL_EXIT:
            return "protocol_error", "the run could not write to its channel"
        return "no_result", f"the run left with exit code {number} and no result"
    return "crash:jail", "the jail went away"


def _killed(number: int) -> tuple[str, str]:
    """Return (reason, message) for a signal."""
    if number == CPU_SIGNAL:
        return "timeout", "its CPU time ran out"
    if number == FILE_SIGNAL:
        return "limit:disk", "a file grew over the limit"
    if number == SYSTEM_CALL_SIGNAL:
        return "denied:syscall", "it called a foreign kernel interface"
    name = SIGNALS.get(number, str(number))
    return f"crash:{name}", f"it was killed by {name}"


class Watchdog(threading.Thread):
    """Watches until the run's process 1 has said how it ended, or kills."""

    def __init__(self, limits: SandboxLimits, output: int, status: int, zygote: Zygote) -> None:
        """Take over the two descriptors of a run that the zygote is about to start."""
        super().__init__(name="watch", daemon=True)
        self.limits = limits
        self.deadline = time.monotonic() + limits.seconds
        self.ended = threading.Event()
        self.breach: tuple[str, str] | None = None
        self._output, self._status = output, status
        self._zygote = zygote
        self._printed = 0
        self._kept = bytearray()
        self._said = ""
        self._leaving = threading.Event()

    @property
    def tail(self) -> str:
        """The end of what the run has printed."""
        return bytes(self._kept).decode(errors="replace")

    def run(self) -> None:
        """Look, until the run ends."""
        open_ends = [self._output, self._status]
        while self._status in open_ends and not self._leaving.is_set():
            readable, _, _ = select.select(open_ends, [], [], POLL_INTERVAL_S)
            for descriptor in readable:
                if not self._drain(descriptor):
                    open_ends.remove(descriptor)
            if self.breach is None and self._status in open_ends:
                self._look()
        while self._output in open_ends and self._drain(self._output, waiting=False):
            pass
        os.close(self._output)
        os.close(self._status)
        self.ended.set()

    def usage(self) -> tuple[int, int]:
        """Return (bytes of private memory, tasks) of the run now. Raises OSError where the sandbox is going away."""
        files = "memfd_create" in self._zygote.profile.calls
        return census(self._zygote.processes(), self._zygote.base, files=files)

    def leave(self) -> None:
        """Stop looking and return when the descriptors are closed."""
        self._leaving.set()
        self.join()

    def fault(self, seconds: float) -> JailFault | None:
        """Return why the run gave no answer, waiting a moment for it to be known; None while it still runs."""
        self.ended.wait(seconds)
        if self.breach is not None:
            return JailFault(*self.breach, self.tail)
        if not self.ended.is_set():
            return None
        return JailFault(*ending(self._said), self.tail)

    def _drain(self, descriptor: int, *, waiting: bool = True) -> bool:
        """Read what is there; whether more may come."""
        if not waiting and not select.select([descriptor], [], [], 0)[0]:
            return False
        data = os.read(descriptor, 1 << 16)
        if descriptor == self._status:
            self._said += data.decode(errors="replace")
        else:
            self._printed += len(data)
            self._kept += data
            del self._kept[:-MAX_OUTPUT_TAIL_BYTES]
        return bool(data)

    def _look(self) -> None:
        """Compare what the run uses with its limits."""
        limits = self.limits
        if time.monotonic() > self.deadline:
            self._end("timeout", f"no end within {limits.seconds:g} s")
        elif self._printed > limits.output_bytes:
            self._end("limit:output", f"more than {limits.output_bytes} bytes of output")
        else:
            self._count()

    def _count(self) -> None:
        """Compare memory and tasks with their limits."""
        try:
            memory, tasks = self.usage()
        except OSError:
            return  # the sandbox is going away; its status says the rest
        if memory > self.limits.memory_bytes:
            self._end("limit:memory", f"more than {self.limits.memory_bytes >> 20} MiB of memory")
        elif tasks >= self.limits.processes:
            self._end("limit:procs", f"{tasks} processes and threads")

    def _end(self, reason: str, message: str) -> None:
        """Keep the reason and kill the run."""
        self.breach = (reason, message)
        self._zygote.end()
