"""`cancel_and_wait` ends a task, even if a library loses the first cancellations."""

import asyncio

import pytest

from lab import cancel_and_wait


async def test_a_task_that_loses_cancellations_ends_with_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The NATS client loses a cancellation now and then."""
    monkeypatch.setattr(cancel_and_wait, "CANCEL_INTERVAL_S", 0.01)
    cancellations = 0

    async def stubborn() -> None:
        nonlocal cancellations
        while cancellations < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancellations += 1
        raise asyncio.CancelledError

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_and_wait.cancel_and_wait(task)
    assert task.cancelled()
    assert cancellations == 3


async def test_a_failed_task_keeps_its_error() -> None:
    """The error is raised to the caller that awaits the task."""

    async def fail() -> None:
        raise ValueError("once")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    await cancel_and_wait.cancel_and_wait(task)
    with pytest.raises(ValueError, match="once"):
        await task
