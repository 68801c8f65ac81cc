"""One contract, two transports: whatever holds on JetStream holds in the in-memory twin."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport, matches
from bus.delivery.transport import Durable, NoAnswer, Transport, TransportError
from bus.nats import following
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.stored import Stored


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


@pytest.fixture
def campaign() -> str:
    """Name a campaign that no other test uses, since the server's streams are shared."""
    return uuid4().hex[:12]


def durable(campaign: str, kind: str = "*", ack_wait: float = 10.0) -> Durable:
    """Describe a consumer of one campaign's events."""
    return Durable(f"c-{campaign}", subjects.LOG, (f"lab.events.{campaign}.*.{kind}",), ack_wait)


async def test_a_published_message_gets_the_next_position(transport: Transport, campaign: str) -> None:
    """Positions rise by one and `last_seq` is the newest."""
    first = await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    second = await transport.publish(f"lab.events.{campaign}.e1.A", b"two", f"{campaign}2")
    assert first is not None
    assert second == first + 1
    assert await transport.last_seq(subjects.LOG) == second


async def test_a_repeated_message_id_is_dropped(transport: Transport, campaign: str) -> None:
    """Saying the same thing again changes nothing."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1")
    before = await transport.last_seq(subjects.LOG)
    assert await transport.publish(f"lab.events.{campaign}.e1.A", b"one", f"{campaign}1") is None
    assert await transport.last_seq(subjects.LOG) == before


async def test_expecting_none_refuses_a_second_message_on_the_subject(transport: Transport, campaign: str) -> None:
    """Two deciders that race for a slot open it once, whatever their ids."""
    assert await transport.publish(f"lab.events.{campaign}.e1.Open", b"mine", f"{campaign}1", 0)
    assert await transport.publish(f"lab.events.{campaign}.e1.Open", b"theirs", f"{campaign}2", 0) is None


async def test_what_is_said_upon_old_knowledge_is_refused(transport: Transport, campaign: str) -> None:
    """Of those who know of one ending, one says the next; whoever knows of that one may go on."""
    subject = f"lab.events.{campaign}.campaign.End"
    first = await transport.publish(subject, b"one", f"{campaign}1", 0)
    second = await transport.publish(subject, b"two", f"{campaign}2", first)
    assert second is not None
    assert await transport.publish(subject, b"also two", f"{campaign}3", first) is None
    assert await transport.publish(subject, b"three", f"{campaign}4", second) is not None


async def test_a_subject_outside_every_stream_is_refused(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fact that nothing would keep is an error, not a loss."""
    monkeypatch.setattr("bus.nats.transport.PUBLISH_PATIENCE_S", 1.0)
    with pytest.raises(TransportError):
        await transport.publish("elsewhere.x", b"lost", uuid4().hex)


async def test_each_message_goes_to_one_of_the_sharers(transport: Transport, campaign: str) -> None:
    """Two processes on one durable share its messages."""
    for number in range(6):
        await transport.publish(f"lab.events.{campaign}.e{number}.A", b"x", f"{campaign}{number}")
    seen: list[int] = []

    async def work() -> None:
        while delivery := await transport.pull(durable(campaign), 0.5):
            seen.append(delivery.stored.seq)
            await delivery.ack()

    await asyncio.gather(work(), work())
    assert len(seen) == 6
    assert len(set(seen)) == 6


async def test_filters_choose_the_types(transport: Transport, campaign: str) -> None:
    """A consumer sees only the types it asked for."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    await transport.publish(f"lab.events.{campaign}.e1.B", b"b", f"{campaign}2")
    delivery = await transport.pull(durable(campaign, "B"), 2.0)
    assert delivery is not None
    assert delivery.stored.payload == b"b"
    await delivery.ack()
    assert await transport.pull(durable(campaign, "B"), 0.2) is None


async def test_an_older_consumer_hears_what_it_should_hear_today(nats_url: str, campaign: str) -> None:
    """A home of before goes on with the roles of now: what it had not been told of comes, nothing comes twice."""
    nats = await NatsTransport.connect(nats_url, name="test")
    old, new = durable(campaign, "A"), durable(campaign)
    await nats.provision([old])
    await nats.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    delivery = await nats.pull(old, 2.0)
    assert delivery is not None
    await delivery.ack()
    await nats.provision([new])
    await nats.publish(f"lab.events.{campaign}.e1.B", b"b", f"{campaign}2")
    delivery = await nats.pull(new, 2.0)
    assert delivery is not None
    assert delivery.stored.payload == b"b"
    assert await nats.pull(new, 0.2) is None
    await nats.close()


async def test_what_is_not_acknowledged_comes_again(transport: Transport, campaign: str) -> None:
    """A process that dies with a message leaves it to the next one, and the count tells."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    first = await transport.pull(durable(campaign, ack_wait=0.5), 2.0)
    again = await transport.pull(durable(campaign, ack_wait=0.5), 3.0)
    assert first is not None
    assert again is not None
    assert again.stored == first.stored
    assert again.deliveries == 2
    await again.ack()


async def test_in_progress_keeps_a_message(transport: Transport, campaign: str) -> None:
    """Long work is not handed to a second process while it beats."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    mine = await transport.pull(durable(campaign, ack_wait=0.8), 2.0)
    assert mine is not None
    for _ in range(6):
        await mine.in_progress()
        assert await transport.pull(durable(campaign, ack_wait=0.8), 0.25) is None
    await mine.ack()


async def test_nak_hands_it_out_again_after_the_delay(transport: Transport, campaign: str) -> None:
    """A failed decision is tried again, not at once."""
    await transport.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    first = await transport.pull(durable(campaign), 2.0)
    assert first is not None
    await first.nak(0.6)
    assert await transport.pull(durable(campaign), 0.2) is None
    again = await transport.pull(durable(campaign), 3.0)
    assert again is not None
    assert again.deliveries == 2
    await again.ack()


async def test_follow_reads_the_past_and_the_future_in_order(transport: Transport, campaign: str) -> None:
    """A reader that starts at a position misses nothing and sees nothing twice."""
    start = await transport.last_seq(subjects.LOG)
    for number in range(3):
        await transport.publish(f"lab.events.{campaign}.e{number}.A", b"past", f"{campaign}{number}")
    read: list[Stored] = []

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


async def test_who_lets_news_gather_for_long_is_not_told_of_each_message(nats_url: str, campaign: str) -> None:
    """A patient reader receives every message once, as it reads it; a prompt one hears of it beforehand too."""
    heard = {}
    speaker = await NatsTransport.connect(nats_url, name="speaker")
    await speaker.provision()
    start = await speaker.last_seq(subjects.LOG)
    for number in range(20):
        await speaker.publish(f"lab.events.{campaign}.e{number}.A", b"past", f"{campaign}{number}")
    for gather in (0.0, 0.3):
        reader = await NatsTransport.connect(nats_url, name="reader")
        count = 0
        async for batch in reader.follow(subjects.LOG, start, gather=gather):
            for _ in batch:
                count += 1
                if count == 20:  # now it has read all there was
                    for number in range(20):
                        subject = f"lab.events.{campaign}.f{number}.A"
                        await speaker.publish(subject, b"news", f"{campaign}{gather}{number}")
            if count >= 40:
                break
        heard[gather] = reader.client.stats["in_msgs"]
        await reader.close()
    await speaker.close()
    assert heard[0.0] >= heard[0.3] + 20


async def test_who_says_when_news_is_wanted_is_not_told_of_any(
    nats_url: str, campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads on when it says so; what is said meanwhile it receives once."""
    monkeypatch.setattr(following, "FIRST_POLL_S", 60.0)
    monkeypatch.setattr(following, "MAX_POLL_S", 60.0)
    transport, wanted = await NatsTransport.connect(nats_url, name="reader"), asyncio.Event()
    await transport.provision()
    start = await transport.last_seq(subjects.LOG)
    await transport.publish(f"lab.events.{campaign}.e0.A", b"past", f"{campaign}0")
    reading = aiter(transport.follow(subjects.LOG, start, wanted=wanted))
    assert [stored.seq for stored in await asyncio.wait_for(anext(reading), 10)] == [start + 1]
    later = asyncio.ensure_future(anext(reading))
    before = transport.client.stats["in_msgs"]
    await transport.publish(f"lab.events.{campaign}.e1.A", b"news", f"{campaign}1")
    await transport.client.flush()
    assert transport.client.stats["in_msgs"] == before + 1, "the acknowledgement alone"
    assert not later.done()
    wanted.set()
    assert [stored.seq for stored in await asyncio.wait_for(later, 10)] == [start + 2]
    await transport.close()


async def test_a_request_is_answered(transport: Transport) -> None:
    """Request and reply carry bytes both ways."""
    subject = f"lab.query.{uuid4().hex}"

    async def shout(payload: bytes) -> bytes:
        return payload.upper()

    await transport.serve(subject, shout)
    assert await transport.request(subject, b"hello", 2.0) == b"HELLO"


async def test_a_request_without_a_responder_says_so(transport: Transport) -> None:
    """Nobody there is an error at once, not a hang."""
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
    """The twin reads patterns as NATS does."""
    assert matches(pattern, subject) is expected


@pytest.mark.parametrize("way", ["follow", "pull"])
async def test_a_swallowed_cancellation_is_heeded(nats_url: str, campaign: str, way: str) -> None:
    """A reader that was cancelled just as an answer came, which asyncio.wait_for then prefers, still ends."""
    client = await NatsTransport.connect(nats_url, name="test")
    await client.provision()
    for number in range(3):
        await client.publish(f"lab.events.{campaign}.e{number}.A", b"x", f"{campaign}{number}")
    reading = asyncio.Event()

    async def swallow() -> None:
        reading.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    async def follow() -> None:
        async for _ in client.follow(subjects.LOG, 0, max_batch=1):
            await swallow()

    async def pull() -> None:
        while await client.pull(durable(campaign), 2.0):
            await swallow()

    task = asyncio.ensure_future(follow() if way == "follow" else pull())
    await asyncio.wait_for(reading.wait(), 10)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5.0)
    assert done
    assert task.cancelled()
    await client.close()


class Away(MemoryTransport):
    """A server that is away for the first questions."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.questions = questions

    async def last_seq(self, stream: str) -> int:
        self.questions -= 1
        if self.questions >= 0:
            raise NoAnswer("away")
        return await super().last_seq(stream)


async def test_the_newest_position_is_waited_for_while_the_server_is_away() -> None:
    """As long as patience lasts."""
    assert await Bus(Away(2), "reader").newest_position() == 0
    with pytest.raises(NoAnswer):
        await Bus(Away(2), "reader").newest_position(patience=0.0)
