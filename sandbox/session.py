"""The conversation with one run: frames out, frames in, and a named fault for every way in which it can fail."""

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sandbox.faults import JailFault, ReportedFault
from sandbox.frames import Channel, Frame, TruncatedFrame
from sandbox.watchdog import Watchdog
from sandbox.zygote import Zygote

VERDICT_TIMEOUT_S = 5.0
"""Seconds that the report of a run's end may lag behind the end of its channel."""
GRACE_S = 10.0
"""Seconds after the deadline in which the watchdog may end the run; then the session does."""
MAX_MESSAGE_CHARACTERS, MAX_TAIL_CHARACTERS = 2000, 32_000
_REASON = re.compile(r"[a-z_]{1,32}(:[A-Za-z_]{1,32})?")


class Session:
    """One run, from its start until nothing of it is left."""

    def __init__(self, channel: Channel, watchdog: Watchdog, zygote: Zygote, clear: Callable[[], None]) -> None:
        """Own a run that has been started; `clear` removes what it wrote."""
        self._channel = channel
        self._watchdog = watchdog
        self._zygote = zygote
        self._clear = clear
        self._open = True

    @property
    def output(self) -> str:
        """The end of the run's output so far."""
        return self._watchdog.tail

    @property
    def remaining_s(self) -> float:
        """Seconds that the run may still wait, or compute."""
        return self._watchdog.remaining_s

    @property
    def memory_bytes(self) -> int | None:
        """Bytes of the run's private memory now, as the kernel counts them; None if the sandbox is gone."""
        try:
            return self._watchdog.usage().memory_bytes
        except OSError:
            return None

    @property
    def cpu_seconds(self) -> float | None:
        """CPU seconds of all the run's processes so far, as the kernel counts them; None if the sandbox is gone."""
        try:
            return self._watchdog.usage().cpu_s
        except OSError:
            return None

    def send(self, frame: Frame) -> None:
        """Send a frame. Raises JailFault if the run is gone or does not read until its deadline."""
        try:
            self._channel.send(frame, self._timeout_s())
        except TimeoutError:
            raise self._fault("timeout", "it did not read what it was sent") from None
        except OSError:
            raise self._fault("protocol_error", "it closed its channel") from None

    def wait(self, timeout_s: float) -> bool:
        """Return whether within `timeout_s` seconds the run has written something, or has ended; `recv` tells which."""
        return self._channel.wait(timeout_s)

    def recv(self) -> Frame:
        """Return the run's next frame. Raises JailFault, at the latest after the deadline."""
        try:
            frame = self._channel.recv(self._timeout_s())
        except TimeoutError:
            raise self._fault("timeout", "no answer") from None
        except (EOFError, OSError) as error:
            truncated = isinstance(error, TruncatedFrame)
            raise self._fault("protocol_error", str(error), truncated=truncated) from None
        except JailFault as fault:
            breach = self._watchdog.breach
            raise JailFault(*breach or (fault.reason, fault.message), self.output) from None
        if frame.kind == "fault":
            raise _reported_fault(frame, self.output)
        return frame

    def close(self) -> None:
        """End the run and wait until no process of it is left."""
        if not self._open:
            return
        self._open = False
        self._channel.close()
        self._zygote.end_run()
        self._watchdog.stop()
        self._clear()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the run, whatever happened."""
        self.close()

    def _timeout_s(self) -> float:
        """Return the seconds to wait for the run until the watchdog must have ended it."""
        return max(self._watchdog.deadline - time.monotonic(), 0) + GRACE_S

    def _fault(self, reason: str, message: str, *, truncated: bool = False) -> JailFault:
        """Return why the run doesn't communicate: the watchdog's reason, else the given one if the run still lives."""
        fault = self._watchdog.fault(VERDICT_TIMEOUT_S)
        if fault is None or (truncated and fault.reason == "no_result"):
            return JailFault(reason, message, self.output)
        return fault


def _reported_fault(frame: Frame, output: str) -> ReportedFault:
    """Return the fault that a run reports of itself; a false report harms only the run."""
    reason, message, tail = (frame.header.get(key) for key in ("reason", "message", "tail"))
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        return ReportedFault("protocol_error", "a fault without a reason", output)
    text = tail if isinstance(tail, str) and tail else output
    return ReportedFault(reason, str(message)[:MAX_MESSAGE_CHARACTERS], text[-MAX_TAIL_CHARACTERS:])
