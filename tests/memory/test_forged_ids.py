"""An id that is used twice: it hides the repetition of an event, and no other event."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.events import CodeFailed, RunStarted
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode
from memory.projections import EventRow
from memory.retrieval.embedding import HashEmbedder
from memory.service import MemoryService
from memory.store import Store

FAILED = CodeFailed(attempt=0, stage="gate", reason="error", message="fails", final=True)
STARTED = RunStarted(run="e0001-a0", worker="1", width=32, parameters=10, gates=())
EVENT = Envelope("id", "/lab/engineer/1", datetime(2026, 1, 1, tzinfo=UTC), "c", "e0001", FAILED, seq=2)
FORGERIES = {
    "of another type": replace(EVENT, event=STARTED, seq=1),
    "about another experiment": replace(EVENT, experiment="e0002", seq=1),
    "of another campaign": replace(EVENT, campaign="d", seq=1),
    "of another role": replace(EVENT, source="/lab/analyst/1", seq=1),
}


def positions(store: Store) -> list[int]:
    """Return the positions of the events applied."""
    store.commit()
    return [row.seq for row in store._select(EventRow, "ORDER BY seq")]


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_an_event_is_applied_although_another_has_its_id(make_store: Callable[..., Store], forgery: Envelope) -> None:
    """At once, and by a later process."""
    assert positions(make_store([forgery, EVENT])) == [1, 2]
    first = make_store([forgery])
    first.close()
    with Store(first.path) as again:
        again.apply([EVENT])
        assert positions(again) == [1, 2]


def test_a_repetition_is_dropped_whichever_instance_sends_it(store: Store) -> None:
    """Several instances of a role share its work."""
    store.apply([EVENT, replace(EVENT, source="/lab/engineer/2", seq=3)])
    assert positions(store) == [2]


async def test_a_role_cannot_hide_the_next_event_of_another(store: Store) -> None:
    """It publishes on its own subject, as another message of the stream, with the id that it foresees."""
    transport = MemoryTransport()
    for message_id, envelope in (("forged", FORGERIES["of another type"]), (EVENT.id, EVENT)):
        await transport.publish(subjects.event_subject(envelope), encode(envelope), message_id)
    memory = asyncio.create_task(MemoryService(Bus(transport, "memory"), store, HashEmbedder()).run())
    try:
        async with asyncio.timeout(10):
            while store.position < 2:
                await asyncio.sleep(0.01)
    finally:
        memory.cancel()
        await asyncio.gather(memory, return_exceptions=True)
    assert positions(store) == [1, 2]
