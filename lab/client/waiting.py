"""Waiting that a person can follow: a line on stderr says what a command waits for, and for how long at most."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.quiet import is_quiet

NOTICE_DELAY_S = 2.0
"""A shorter wait is not mentioned."""
NOTICE_INTERVAL_S = 15.0


@contextmanager
def announced(what: str, patience: float) -> Iterator[None]:
    """Print that `what` is waited for, at most `patience` seconds, if the context lasts longer than a moment."""
    if is_quiet():
        yield
        return
    notices = asyncio.ensure_future(_print_notices(what, patience))
    try:
        yield
    finally:
        notices.cancel()


async def _print_notices(what: str, patience: float) -> None:
    waited = NOTICE_DELAY_S
    await asyncio.sleep(waited)
    while True:
        with suppress(OSError):
            print(f"waiting for {what} ({waited:.0f} of {patience:g} s; --patience)", file=sys.stderr, flush=True)
        await asyncio.sleep(NOTICE_INTERVAL_S)
        waited += NOTICE_INTERVAL_S
