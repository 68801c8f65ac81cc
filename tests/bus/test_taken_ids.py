"""A message of somebody else that has the id of an event: the role says so, and the lab goes on."""

from datetime import UTC, datetime

import structlog

from bus.delivery import dead_letters
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post
from bus.vocabulary.events import CampaignPaused, CampaignResumed, ProposalRequested
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import alternative_id
from tests.support.echo_role import messages_of

CAUSE = Envelope("c1", "/lab/x/1", datetime(2026, 1, 1, tzinfo=UTC), "c", "e0001", CampaignPaused(by="ada"))
POST = Post("e0001", CampaignResumed(by="ada"))
OPENING = Post("e0001", ProposalRequested(slot=0, arm="guided"))


async def test_an_event_whose_id_is_taken_gets_another() -> None:
    """It is in the log, one line and a dead letter name the message that has its id."""
    transport = MemoryTransport()
    bus = Bus(transport, "director")
    taken = bus.envelope_for(POST, "c", CAUSE, 0).id
    await transport.publish("lab.events.c.e0009.ProposalCreated", b"mine", taken)
    with structlog.testing.capture_logs() as lines:
        assert await bus.publish(POST, "c", CAUSE) == 2
    stored = (await messages_of(transport))[1]
    assert subjects.decode_event(stored).id == alternative_id(taken, 1)
    assert [line["event"] for line in lines] == ["id is taken"]
    (letter,) = await messages_of(transport, subjects.DEAD)
    assert dead_letters.decode(letter).original.payload == b"mine"
    assert await bus.publish(POST, "c", CAUSE) is None, "a redelivery finds it there"
    assert len(await messages_of(transport)) == 2


async def test_another_roles_event_on_the_same_subject_is_not_ours() -> None:
    """Two roles may publish one type."""
    transport = MemoryTransport()
    bus = Bus(transport, "engineer")
    taken = bus.envelope_for(POST, "c", CAUSE, 0).id
    thief = Bus(transport, "analyst")
    subject = subjects.event_subject(thief.envelope_for(POST, "c", CAUSE, 0))
    await transport.publish(subject, (await _payload_of(thief)), taken)
    assert await bus.publish(POST, "c", CAUSE) == 2


async def _payload_of(bus: Bus) -> bytes:
    """Return an event of a role as it publishes it."""
    other = MemoryTransport()
    await Bus(other, bus.role).publish(POST, "c", CAUSE)
    return (await messages_of(other))[0].payload


async def test_an_event_that_may_come_once_comes_once_under_any_id() -> None:
    """The slot is opened in spite of a taken id, and a second time by nobody."""
    transport = MemoryTransport()
    bus = Bus(transport, "director")
    await transport.publish("lab.events.c.e0009.A", b"mine", bus.envelope_for(OPENING, "c", CAUSE, 0).id)
    assert await bus.publish(OPENING, "c", CAUSE) == 2
    assert await bus.publish(OPENING, "c", CAUSE) is None
    assert await bus.publish(OPENING, "c", CAUSE, ordinal=7) is None
    assert len(await messages_of(transport)) == 2


async def test_a_repeated_event_is_dropped_without_a_word() -> None:
    """The id is the role's own."""
    transport = MemoryTransport()
    bus = Bus(transport, "director")
    assert await bus.publish(POST, "c", CAUSE) == 1
    with structlog.testing.capture_logs() as lines:
        assert await bus.publish(POST, "c", CAUSE) is None
    assert lines == []
    assert await messages_of(transport, subjects.DEAD) == []
