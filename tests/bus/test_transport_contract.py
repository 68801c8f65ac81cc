"""The transport contract: the same tests hold on JetStream and in memory."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from bus.delivery.memory_transport import MemoryTransport, matches
from bus.delivery.transport import NoAnswer, Transport, TransportError
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from tests.support.durables import campaign_durable


@pytest_asyncio.fixture(params=["memory", "nats"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    """Yield each transport in turn."""
    if request.param == "memory":
        yield MemoryTransport()
        return
    nats = await NatsTransport.connect(request.getfixturevalue("nats_url"), name="test")
    await nats.provision()
    yield nats
    await nats.close()


async def test_a_published_message_gets_the_next_position(transport: Transport, campaign: str) -> None:
    """Positions rise by one and `last_seq` is the newest."""
    first = await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    second = await transport.publish(f"lab.events.{campaign}.e1.A", b"two", f"{campaign}2")
    assert first is not None
    assert second == first + 1
    assert await transport.last_seq(subjects.LOG) == second


async def test_a_repeated_message_id_is_dropped(transport: Transport, campaign: str) -> None:
    """The log keeps the first message only."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    before = await transport.last_seq(subjects.LOG)
    assert await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1") is None
    assert await transport.last_seq(subjects.LOG) == before


async def test_expecting_none_refuses_a_second_message_on_the_subject(transport: Transport, campaign: str) -> None:
    """Two processes that race for a slot open it once, even with different ids."""
    assert await transport.publish(f"lab.events.{campaign}.e1.Open", b"mine", f"{campaign}1", 0)
    assert await transport.publish(f"lab.events.{campaign}.e1.Open", b"theirs", f"{campaign}2", 0) is None


async def test_expecting_an_older_position_refuses_the_message(transport: Transport, campaign: str) -> None:
    """Only one message follows each known position; one that knows the newest position is accepted."""
    subject = f"lab.events.{campaign}.campaign.End"
    first = await transport.publish(subject, b"one", f"{campaign}1", 0)
    second = await transport.publish(subject, b"two", f"{campaign}2", first)
    assert second is not None
    assert await transport.publish(subject, b"also two", f"{campaign}3", first) is None
    assert await transport.publish(subject, b"three", f"{campaign}4", second) is not None


async def test_a_subject_outside_every_stream_is_refused(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that no stream would store is an error, not a loss."""
    monkeypatch.setattr("bus.nats.transport.PUBLISH_PATIENCE_S", 1.0)
    with pytest.raises(TransportError):
        await transport.publish("elsewhere.x", b"lost", uuid4().hex)


async def test_processes_of_a_durable_share_its_messages(transport: Transport, campaign: str) -> None:
    """Each message goes to one of them."""
    for number in range(6):
        await transport.publish(f"lab.events.{campaign}.e{number}.A", b"x", f"{campaign}{number}")
    positions: list[int] = []

    async def work() -> None:
        while delivery := await transport.pull(campaign_durable(campaign), 0.5):
            positions.append(delivery.stored.seq)
            await delivery.ack()

    await asyncio.gather(work(), work())
    assert len(positions) == 6
    assert len(set(positions)) == 6


async def test_a_consumer_gets_the_subjects_of_its_filters(transport: Transport, campaign: str) -> None:
    """Other types are not delivered."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    await transport.publish(f"lab.events.{campaign}.e1.B", b"b", f"{campaign}2")
    delivery = await transport.pull(campaign_durable(campaign, "B"), 2.0)
    assert delivery is not None
    assert delivery.stored.payload == b"b"
    await delivery.ack()
    assert await transport.pull(campaign_durable(campaign, "B"), 0.2) is None


async def test_an_unacknowledged_message_is_delivered_again(transport: Transport, campaign: str) -> None:
    """If a process dies with a message, the next process gets it, with a higher delivery count."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    first = await transport.pull(campaign_durable(campaign, ack_wait=0.5), 2.0)
    second = await transport.pull(campaign_durable(campaign, ack_wait=0.5), 3.0)
    assert first is not None
    assert second is not None
    assert second.stored == first.stored
    assert second.deliveries == 2
    await second.ack()


async def test_in_progress_keeps_a_message(transport: Transport, campaign: str) -> None:
    """A long decision is not given to a second process."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    delivery = await transport.pull(campaign_durable(campaign, ack_wait=0.8), 2.0)
    assert delivery is not None
    for _ in range(6):
        await delivery.in_progress()
        assert await transport.pull(campaign_durable(campaign, ack_wait=0.8), 0.25) is None
    await delivery.ack()


async def test_a_message_that_is_given_back_is_delivered_after_the_delay(transport: Transport, campaign: str) -> None:
    """A failed decision is retried later, not at once."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    first = await transport.pull(campaign_durable(campaign), 2.0)
    assert first is not None
    await first.nak(0.6)
    assert await transport.pull(campaign_durable(campaign), 0.2) is None
    second = await transport.pull(campaign_durable(campaign), 3.0)
    assert second is not None
    assert second.deliveries == 2
    await second.ack()


async def test_follow_reads_the_past_and_the_future_in_order(transport: Transport, campaign: str) -> None:
    """A reader that starts at a position misses no message and gets none twice."""
    start = await transport.last_seq(subjects.LOG)
    for number in range(3):
        await transport.publish(f"lab.events.{campaign}.e{number}.A", b"past", f"{campaign}{number}")
    read: list[StoredMessage] = []

    async def follow() -> None:
        async for batch in transport.follow(subjects.LOG, start, max_batch=2):
            read.extend(batch)
            if len(read) == 5:
                return

    reader = asyncio.create_task(follow())
    for number in range(3, 5):
        await transport.publish(f"lab.events.{campaign}.e{number}.A", b"future", f"{campaign}{number}")
    await asyncio.wait_for(reader, 10)
    assert [stored.seq for stored in read] == list(range(start + 1, start + 6))


async def test_a_request_is_answered(transport: Transport) -> None:
    """Request and reply carry bytes both ways."""
    subject = f"lab.query.{uuid4().hex}"

    async def shout(payload: bytes) -> bytes:
        return payload.upper()

    await transport.serve(subject, shout)
    assert await transport.request(subject, b"hello", 2.0) == b"HELLO"


async def test_a_request_without_a_responder_says_so(transport: Transport) -> None:
    """It is an error at once, not a wait."""
    with pytest.raises(NoAnswer):
        await transport.request(f"lab.query.{uuid4().hex}", b"hello", 2.0)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.b", True),
        (">", "a.b", True),
    ],
)
def test_subject_patterns(pattern: str, subject: str, expected: bool) -> None:
    """The transport in memory matches patterns as NATS does."""
    assert matches(pattern, subject) is expected
