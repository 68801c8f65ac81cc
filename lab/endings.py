"""How a command ends when a signal asks for it: in order if it can, at once if it must.

The first of Ctrl-C, SIGTERM and SIGHUP asks the work to end. A second one, or `GRACE_S` without an end, kills every
child and leaves. The exit code is 128 and the number of the first signal, as a shell has it: 130, 143 or 129.
Handlers of signals belong to the process, and so does the state of this module.
"""

import atexit
import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 15.0
"""Seconds that an end in order may take."""
ECHO_S = 0.5
"""Seconds in which a second signal counts as the first one's echo: `make` passes on a Ctrl-C that we got ourselves."""
SHOW_CURSOR = b"\x1b[?25h"
"""What a terminal needs if the live view had no time to end."""


@dataclass
class _Ending:
    """The signal that asked for the end, when it came, and who wants to know."""

    cause: int = 0
    at_s: float = 0.0
    listener: Callable[[], object] | None = None


_ending = _Ending()


def exit_code() -> int:
    """Return the exit code of the signal that asked for the end, 0 if none did."""
    return 128 + _ending.cause if _ending.cause else 0


def is_behind(error: BaseException) -> bool:
    """Tell whether an error stands for the SystemExit of a signal: a caller that takes any error may wrap it.

    Python up to 3.11 does so where a class of another package is created (`__set_name__`).
    """
    cause = error.__cause__ or error.__context__
    return bool(_ending.cause) and cause is not None and (isinstance(cause, SystemExit) or is_behind(cause))


def install() -> None:
    """Handle the signals from now on; work without a listener ends with SystemExit. SIGHUP stays ignored (`nohup`).

    At the end of the process, whatever ends it, the signals are ignored: the work is done, and Python restores the
    deadly defaults before it is gone.
    """
    atexit.register(_ignore)
    _handle()


def _handle() -> None:
    for number in ENDING_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, lambda *_: _leave())


def _ignore() -> None:
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def listening(listener: Callable[[], object]) -> Iterator[None]:
    """Call `listener`, in place of an outer one, when a signal asks for the end; at once if one already has.

    The listener runs between any two steps of the main thread. Afterwards the earlier handlers are in force again.
    """
    earlier = {number: signal.getsignal(number) for number in (*ENDING_SIGNALS, signal.SIGALRM)}
    outer, _ending.listener = _ending.listener, listener
    _handle()
    if _ending.cause:
        listener()
    try:
        yield
    finally:
        _ending.listener = outer
        for number, handler in earlier.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _on_signal(number: int, _: FrameType | None) -> None:
    """Ask for the end; the second time, leave."""
    now = time.monotonic()
    if _ending.cause:
        if now - _ending.at_s > ECHO_S:
            _leave()
        return
    _ending.cause, _ending.at_s = number, now
    signal.setitimer(signal.ITIMER_REAL, GRACE_S)
    if _ending.listener is None:
        raise SystemExit(exit_code())
    _ending.listener()


def _leave() -> None:
    """Kill every process below this one and exit, without any cleanup."""
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    if os.isatty(2):
        os.write(2, SHOW_CURSOR)
    os._exit(exit_code())


def _descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has just ended
            parent = stat.read_bytes().rpartition(b")")[2].split()[1]
            children[int(parent)].append(int(stat.parent.name))
    found = [pid]
    for one in found:  # grows while it is read
        found += children[one]
    return found[1:]
