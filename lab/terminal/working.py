"""What a command is doing, once it takes longer than a moment: a spinner on a terminal, a line now and then elsewhere.

with working("training mixer.py"):
...
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from lab.quiet import is_quiet

NOTICE_DELAY_S, NOTICE_INTERVAL_S = 2.0, 15.0


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on stderr that `what` is under way, if the context lasts longer than a moment."""
    if is_quiet():
        yield
        return
    ended = threading.Event()
    notices = threading.Thread(target=_notify, args=(what, ended), daemon=True)
    notices.start()
    try:
        yield
    finally:
        ended.set()
        notices.join()


def _notify(what: str, ended: threading.Event) -> None:
    """Show what is under way until it has ended."""
    began = monotonic()
    if ended.wait(NOTICE_DELAY_S):
        return
    with suppress(OSError):
        if sys.stderr.isatty():
            _spin(what, ended, began)
            return
        while True:
            print(f"{what} ({monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
            if ended.wait(NOTICE_INTERVAL_S):
                return


def _spin(what: str, ended: threading.Event, began: float) -> None:
    """Show a spinner with the time."""
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        while not ended.wait(1.0):
            status.update(f"{what} ({monotonic() - began:.0f} s)")
