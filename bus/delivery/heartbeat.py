"""The heartbeat of a message: while its decision is in progress, the server gives it to no other process."""

import asyncio
from types import TracebackType

from bus.delivery.transport import Delivery


class Heartbeat:
    """Reports a message as in progress every `interval` seconds, for as long as the context lasts.

    It waits with a timer, not with a task: most decisions end before the first beat.
    """

    def __init__(self, delivery: Delivery, interval: float) -> None:
        """Report `delivery`; `interval` must be shorter than its `ack_wait`."""
        self._delivery = delivery
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Start the timer."""
        self._schedule()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._report)

    def _report(self) -> None:
        self._beat = asyncio.create_task(self._delivery.in_progress())  # the loop itself holds only a weak reference
        self._schedule()
