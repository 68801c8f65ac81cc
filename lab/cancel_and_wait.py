"""Cancels a task that may lose a cancellation.

Before Python 3.12, asyncio.wait_for loses a cancellation that arrives together with a result, and the NATS client waits
that way. A task that is cancelled once may therefore run forever; `cancel_and_wait` repeats the cancellation.
"""

import asyncio
from typing import Any

CANCEL_INTERVAL_S = 2.0
"""Seconds between two cancellations; a second one that comes too early would interrupt the task's cleanup."""


async def cancel_and_wait(task: asyncio.Future[Any]) -> None:
    """Cancel a task until it is done; its result or error is for the caller that awaits it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_INTERVAL_S)
