"""Cancels a task that may lose a cancellation, or runs one until it is asked to end.

Before Python 3.12, asyncio.wait_for loses a cancellation that arrives together with a result, and the NATS client waits
that way. A task that is cancelled once may therefore run forever; `cancel_and_wait` repeats the cancellation.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_INTERVAL_S = 2.0
"""Seconds between two cancellations; a second one that comes too early would interrupt the task's cleanup."""


async def cancel_and_wait(task: asyncio.Future[Any]) -> None:
    """Cancel a task until it is done; its result or error is for the caller that awaits it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_INTERVAL_S)


async def run_until(work: Coroutine[Any, Any, T], asked: asyncio.Event) -> T:
    """Return the result of `work`, which is cancelled when `asked` is set. Raises CancelledError if it was."""
    task, end = asyncio.ensure_future(work), asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(task)
    finally:
        task.cancel()
        end.cancel()
    return await task
