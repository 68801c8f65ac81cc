"""Whoever is asked to end does, also where a library lost the first request."""

import asyncio

import pytest

from lab import cancel_and_wait


async def test_a_task_that_swallows_a_cancellation_ends_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the client of the bus does, now and then."""
    monkeypatch.setattr(cancel_and_wait, "CANCEL_INTERVAL_S", 0.01)
    asked = 0

    async def deaf() -> None:
        nonlocal asked
        while asked < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                asked += 1
        raise asyncio.CancelledError

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_and_wait.cancel_and_wait(task)
    assert task.cancelled()
    assert asked == 3


async def test_a_task_that_has_failed_keeps_its_failure() -> None:
    """It is for whoever awaits it."""

    async def fail() -> None:
        raise ValueError("once")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    await cancel_and_wait.cancel_and_wait(task)
    with pytest.raises(ValueError, match="once"):
        await task
