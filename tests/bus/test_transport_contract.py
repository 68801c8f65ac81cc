"""The transport contract: JetStream and the transport in memory pass the same tests."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.query_replies import QueryRefused
from bus.delivery.transport import NoAnswer, Receipt, Transport, TransportError
from bus.nats.transport import NatsTransport
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from tests.support.durables import campaign_durable, delete_consumer


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


async def published(
    transport: Transport, subject: str, payload: bytes, message_id: str, expected_last: int | None = None
) -> int | None:
    """Publish a message and return its position; None if the stream drops it."""
    return (await transport.publish(subject, payload, message_id, expected_last)).position


async def test_a_published_message_gets_the_next_position(transport: Transport, campaign: str) -> None:
    """Positions rise by one and `last_seq` is the newest."""
    position = await published(transport, f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    next_position = await published(transport, f"lab.events.{campaign}.e1.A", b"two", f"{campaign}2")
    assert position is not None
    assert next_position == position + 1
    assert await transport.last_seq(subjects.LOG) == next_position


async def test_a_repeated_message_id_is_dropped(transport: Transport, campaign: str) -> None:
    """The log has the first message only."""
    first = await published(transport, f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    newest = await transport.last_seq(subjects.LOG)
    receipt = await transport.publish(f"lab.events.{campaign}.e2.B", b"other", f"{campaign}1")
    assert receipt == Receipt(None, duplicate_of=first)
    assert await transport.last_seq(subjects.LOG) == newest


async def test_reading_ends_at_the_newest_message(transport: Transport, campaign: str) -> None:
    """A read returns what there is, of one subject or of all, and does not wait for more."""
    positions = [
        await published(transport, f"lab.events.{campaign}.e{number % 2}.A", b"%d" % number, f"{campaign}{number}")
        for number in range(5)
    ]
    assert positions[0]
    even = await transport.read(subjects.LOG, 0, f"lab.events.{campaign}.e0.A")
    assert [stored.payload for stored in even] == [b"0", b"2", b"4"]
    assert [stored.seq for stored in await transport.read(subjects.LOG, positions[0], max_batch=2)] == positions[1:3]
    assert await transport.read(subjects.LOG, await transport.last_seq(subjects.LOG)) in ([], ())


async def test_a_deleted_consumer_is_made_again(transport: Transport, campaign: str) -> None:
    """It begins at the first message: roles find out by themselves what they have done already."""
    durable = campaign_durable(campaign)
    await published(transport, f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    for _ in range(2):
        delivery = None
        async with asyncio.timeout(20):
            while delivery is None:
                delivery = await transport.pull(durable, 0.5)
        assert delivery.stored.payload == b"one"
        await delivery.ack()
        assert await transport.pull(durable, 0.2) is None
        await delete_consumer(transport, durable)


async def test_expecting_none_refuses_a_second_message_on_the_subject(transport: Transport, campaign: str) -> None:
    """If two processes open the same slot, the log has one opening, even if the ids differ."""
    assert await published(transport, f"lab.events.{campaign}.e1.Open", b"one", f"{campaign}1", 0)
    assert await published(transport, f"lab.events.{campaign}.e1.Open", b"other", f"{campaign}2", 0) is None


async def test_expecting_an_older_position_refuses_the_message(transport: Transport, campaign: str) -> None:
    """One message can follow a position; the stream accepts a message that expects the newest one."""
    subject = f"lab.events.{campaign}.campaign.End"
    older = await published(transport, subject, b"one", f"{campaign}1", 0)
    newest = await published(transport, subject, b"two", f"{campaign}2", older)
    assert newest is not None
    assert await published(transport, subject, b"also two", f"{campaign}3", older) is None
    assert await published(transport, subject, b"three", f"{campaign}4", newest) is not None


async def test_a_subject_outside_every_stream_is_refused(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that no stream stores raises an error."""
    monkeypatch.setattr("bus.nats.transport.PUBLISH_PATIENCE_S", 1.0)
    with pytest.raises(TransportError):
        await published(transport, "elsewhere.x", b"lost", uuid4().hex)


async def test_processes_of_a_durable_share_its_messages(transport: Transport, campaign: str) -> None:
    """Each message is delivered to one of them."""
    for number in range(6):
        await published(transport, f"lab.events.{campaign}.e{number}.A", b"x", f"{campaign}{number}")
    positions: list[int] = []

    async def work() -> None:
        while delivery := await transport.pull(campaign_durable(campaign), 0.5):
            positions.append(delivery.stored.seq)
            await delivery.ack()

    await asyncio.gather(work(), work())
    assert len(positions) == 6
    assert len(set(positions)) == 6


async def test_a_consumer_gets_the_subjects_of_its_filters(transport: Transport, campaign: str) -> None:
    """The server delivers no other subjects to it."""
    await published(transport, f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    await published(transport, f"lab.events.{campaign}.e1.B", b"b", f"{campaign}2")
    delivery = await transport.pull(campaign_durable(campaign, "B"), 2.0)
    assert delivery is not None
    assert delivery.stored.payload == b"b"
    await delivery.ack()
    assert await transport.pull(campaign_durable(campaign, "B"), 0.2) is None


async def test_an_unacknowledged_message_is_delivered_again(transport: Transport, campaign: str) -> None:
    """If a process dies with a message, another process gets it, with a higher delivery count and the same time."""
    before = datetime.now(UTC)
    await published(transport, f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    after = datetime.now(UTC)
    delivery = await transport.pull(campaign_durable(campaign, ack_wait=0.5), 2.0)
    redelivery = await transport.pull(campaign_durable(campaign, ack_wait=0.5), 3.0)
    assert delivery is not None
    assert redelivery is not None
    assert redelivery.stored == delivery.stored
    assert before <= delivery.time == redelivery.time <= after
    assert redelivery.deliveries == 2
    await redelivery.ack()


async def test_in_progress_keeps_a_message(transport: Transport, campaign: str) -> None:
    """The server does not deliver the message of a long decision to a second process."""
    await published(transport, f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    delivery = await transport.pull(campaign_durable(campaign, ack_wait=0.8), 2.0)
    assert delivery is not None
    for _ in range(6):
        await delivery.in_progress()
        assert await transport.pull(campaign_durable(campaign, ack_wait=0.8), 0.25) is None
    await delivery.ack()


async def test_a_message_that_is_given_back_is_delivered_after_the_delay(transport: Transport, campaign: str) -> None:
    """So a failed decision is retried after a delay."""
    await published(transport, f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    delivery = await transport.pull(campaign_durable(campaign), 2.0)
    assert delivery is not None
    await delivery.nak(0.6)
    assert await transport.pull(campaign_durable(campaign), 0.2) is None
    redelivery = await transport.pull(campaign_durable(campaign), 3.0)
    assert redelivery is not None
    assert redelivery.deliveries == 2
    await redelivery.ack()


async def test_follow_reads_the_past_and_the_future_in_order(transport: Transport, campaign: str) -> None:
    """A reader that starts at a position misses no message and gets none twice."""
    start = await transport.last_seq(subjects.LOG)
    for number in range(3):
        await published(transport, f"lab.events.{campaign}.e{number}.A", b"past", f"{campaign}{number}")
    messages: list[StoredMessage] = []

    async def follow() -> None:
        async for batch in transport.follow(subjects.LOG, start, max_batch=2):
            messages.extend(batch)
            if len(messages) == 5:
                return

    reader = asyncio.create_task(follow())
    for number in range(3, 5):
        await published(transport, f"lab.events.{campaign}.e{number}.A", b"future", f"{campaign}{number}")
    await asyncio.wait_for(reader, 10)
    assert [stored.seq for stored in messages] == list(range(start + 1, start + 6))


async def test_a_request_is_answered(transport: Transport) -> None:
    """Request and reply are bytes."""
    subject = f"lab.query.{uuid4().hex}"

    async def to_upper_case(payload: bytes) -> bytes:
        return payload.upper()

    await transport.serve(subject, to_upper_case)
    assert await transport.request(subject, b"hello", 2.0) == b"HELLO"


async def test_a_reply_that_no_message_holds_is_an_error(transport: Transport) -> None:
    """Without an answer, a role would ask for it for ever."""

    async def answer(_: AskCampaignStatus) -> CampaignStatus:
        return CampaignStatus(campaign="x" * transport.max_message_bytes)

    bus = Bus(transport, "memory")
    await bus.serve_query(AskCampaignStatus, answer)
    with pytest.raises(QueryRefused, match="more than a message may have"):
        await bus.ask(AskCampaignStatus(), patience=2)


async def test_a_request_without_a_responder_fails(transport: Transport) -> None:
    """It raises NoAnswer without waiting."""
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
    assert subjects.matches(pattern, subject) is expected
