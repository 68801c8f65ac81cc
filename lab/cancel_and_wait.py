"""The end of a task that may swallow a cancellation.

Before Python 3.12 asyncio.wait_for loses a cancellation that meets a result, and the NATS client waits that way: a task
asked once may go on for ever. It is asked until it ends.
"""

import asyncio
from typing import Any

CANCEL_INTERVAL_S = 2.0
"""Seconds between two requests: a request that comes while a task cleans up would cut that short."""


async def cancel_and_wait(task: asyncio.Future[Any]) -> None:
    """Cancel a task until it is done; how it ended is left for whoever awaits it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_INTERVAL_S)
