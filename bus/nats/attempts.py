"""Repeated attempts of a request while the server is away, for a limited time."""

import asyncio
from collections.abc import AsyncIterator
from itertools import chain, repeat

ATTEMPT_TIMEOUT_S = 5.0
"""How long one attempt waits for the server's answer at most."""
FIRST_DELAYS_S = (0.05, 0.1, 0.2, 0.4)
DELAY_S = 0.5


async def attempts(patience: float) -> AsyncIterator[float]:
    """Yield the time limit of each attempt in seconds, with pauses in between, until `patience` seconds are over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    for delay in chain(FIRST_DELAYS_S, repeat(DELAY_S)):
        yield min(ATTEMPT_TIMEOUT_S, max(deadline - loop.time(), delay))
        if loop.time() + delay > deadline:
            return
        await asyncio.sleep(delay)
