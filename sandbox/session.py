"""The talk with one run: frames out, frames in, and a named fault for every way it can fail to answer."""

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sandbox.faults import JailFault
from sandbox.frames import Channel, Frame, Truncated
from sandbox.watchdog import Watchdog
from sandbox.zygote import Zygote

VERDICT_TIMEOUT_S = 5.0
"""How long the news of a run's end may lag behind the end of its channel."""
GRACE_S = 10.0
"""How long the watch may take to enforce the deadline on a loaded machine before the session does it itself."""
_REASON = re.compile(r"[a-z_]{1,32}(:[A-Za-z_]{1,32})?")


class Session:
    """One run, from its start until nothing is left of it."""

    def __init__(self, channel: Channel, watch: Watchdog, zygote: Zygote, clear: Callable[[], None]) -> None:
        """Take over a run that has been ordered; `clear` removes what it wrote."""
        self._channel = channel
        self._watch = watch
        self._zygote = zygote
        self._clear = clear
        self._open = True

    @property
    def output(self) -> str:
        """The end of what the run has printed so far."""
        return self._watch.tail

    @property
    def remaining(self) -> float:
        """Seconds left until its deadline."""
        return self._watch.deadline - time.monotonic()

    @property
    def memory(self) -> int | None:
        """Bytes of private memory that the run holds now, as the kernel counts them; None where it is going away."""
        try:
            return self._watch.usage()[0]
        except OSError:
            return None

    def send(self, frame: Frame) -> None:
        """Send a frame. Raises JailFault where the run is gone or does not read until its deadline."""
        try:
            self._channel.send(frame, self._patience())
        except TimeoutError:
            raise self._verdict("timeout", "it did not read what it was sent") from None
        except OSError:
            raise self._verdict("protocol_error", "it closed its channel") from None

    def recv(self) -> Frame:
        """Return the run's next frame. Raises JailFault, at the latest when the deadline has passed."""
        try:
            frame = self._channel.recv(self._patience())
        except TimeoutError:
            raise self._verdict("timeout", "no answer") from None
        except (EOFError, OSError) as error:
            raise self._verdict("protocol_error", str(error), truncated=isinstance(error, Truncated)) from None
        except JailFault as fault:
            breach = self._watch.breach
            raise JailFault(*breach or (fault.reason, fault.message), self.output) from None
        if frame.kind == "fault":
            raise _told(frame, self.output)
        return frame

    def close(self) -> None:
        """End the run and wait until no process of it is left."""
        if not self._open:
            return
        self._open = False
        self._channel.close()
        self._zygote.end()
        self._watch.leave()
        self._clear()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the run, whatever happened."""
        self.close()

    def _patience(self) -> float:
        """Seconds to wait on the run before the watch must have spoken."""
        return max(self.remaining, 0) + GRACE_S

    def _verdict(self, reason: str, message: str, *, truncated: bool = False) -> JailFault:
        """Return why the run fell silent: what the watch knows, else the reason given (it lives but does not talk)."""
        fault = self._watch.fault(VERDICT_TIMEOUT_S)
        if fault is None or (truncated and fault.reason == "no_result"):
            return JailFault(reason, message, self.output)
        return fault


def _told(frame: Frame, output: str) -> JailFault:
    """Return the fault that a run reports of itself; it may be a lie, but only ever to its own harm."""
    reason, message, tail = (frame.header.get(key) for key in ("reason", "message", "tail"))
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        return JailFault("protocol_error", "a fault without a reason", output)
    text = tail if isinstance(tail, str) and tail else output
    return JailFault(reason, str(message)[:2000], text[-32_000:])
