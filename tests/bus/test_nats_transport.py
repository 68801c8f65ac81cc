"""The NATS transport alone: updated consumers, hints for readers, and suppressed cancellations."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from nats.js.api import DiscardPolicy

from bus.delivery.transport import Durable, NoAnswer
from bus.nats import batch_get, following
from bus.nats.server import run_server
from bus.nats.snapshots import place_consumer
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.subjects import StreamLimits
from tests.support.durables import campaign_durable


async def test_an_older_consumer_gets_new_filters(nats_url: str, campaign: str) -> None:
    """A home of an older lab works with today's roles: they get newly filtered types, and no message twice."""
    nats = await NatsTransport.connect(nats_url, name="test")
    old_durable, new_durable = campaign_durable(campaign, "A"), campaign_durable(campaign)
    await nats.provision([old_durable])
    await nats.publish(f"lab.events.{campaign}.e1.A", b"a", f"{campaign}1")
    delivery = await nats.pull(old_durable, 2.0)
    assert delivery is not None
    await delivery.ack()
    await nats.provision([new_durable])
    await nats.publish(f"lab.events.{campaign}.e1.B", b"b", f"{campaign}2")
    delivery = await nats.pull(new_durable, 2.0)
    assert delivery is not None
    assert delivery.stored.payload == b"b"
    assert await nats.pull(new_durable, 0.2) is None
    await nats.close()


async def test_a_reader_with_a_long_delay_gets_no_hints(nats_url: str, campaign: str) -> None:
    """It receives every message once; a reader without delay receives a hint for each message too."""
    received = {}
    publisher = await NatsTransport.connect(nats_url, name="publisher")
    await publisher.provision()
    start = await publisher.last_seq(subjects.LOG)
    for number in range(20):
        await publisher.publish(f"lab.events.{campaign}.e{number}.A", b"past", f"{campaign}{number}")
    for delay in (0.0, 0.3):
        reader = await NatsTransport.connect(nats_url, name="reader")
        count = 0
        async for batch in reader.follow(subjects.LOG, start, batch_delay=delay):
            for _ in batch:
                count += 1
                if count == 20:  # all messages so far
                    for number in range(20):
                        subject = f"lab.events.{campaign}.f{number}.A"
                        await publisher.publish(subject, b"news", f"{campaign}{delay}{number}")
            if count >= 40:
                break
        received[delay] = reader.client.stats["in_msgs"]
        await reader.close()
    await publisher.close()
    assert received[0.0] >= received[0.3] + 20


async def test_a_reader_with_a_news_request_gets_no_hints(
    nats_url: str, campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads when the event is set, and receives the messages since then once."""
    monkeypatch.setattr(following, "FIRST_POLL_S", 60.0)
    monkeypatch.setattr(following, "MAX_POLL_S", 60.0)
    transport = await NatsTransport.connect(nats_url, name="reader")
    news_request = asyncio.Event()
    await transport.provision()
    start = await transport.last_seq(subjects.LOG)
    await transport.publish(f"lab.events.{campaign}.e0.A", b"past", f"{campaign}0")
    reading = aiter(transport.follow(subjects.LOG, start, news_request=news_request))
    assert [stored.seq for stored in await asyncio.wait_for(anext(reading), 10)] == [start + 1]
    next_batch = asyncio.ensure_future(anext(reading))
    message_count = transport.client.stats["in_msgs"]
    await transport.publish(f"lab.events.{campaign}.e1.A", b"news", f"{campaign}1")
    await transport.client.flush()
    assert transport.client.stats["in_msgs"] == message_count + 1, "the acknowledgement alone"
    assert not next_batch.done()
    news_request.set()
    assert [stored.seq for stored in await asyncio.wait_for(next_batch, 10)] == [start + 2]
    await transport.close()


@pytest.mark.parametrize("method", ["follow", "pull"])
async def test_a_suppressed_cancellation_still_ends_a_reader(nats_url: str, campaign: str, method: str) -> None:
    """`asyncio.wait_for` suppresses a cancellation that arrives together with a reply."""
    client = await NatsTransport.connect(nats_url, name="test")
    await client.provision()
    for number in range(3):
        await client.publish(f"lab.events.{campaign}.e{number}.A", b"x", f"{campaign}{number}")
    reading = asyncio.Event()

    async def suppress_cancellation() -> None:
        reading.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    async def follow() -> None:
        async for _ in client.follow(subjects.LOG, 0, max_batch=1):
            await suppress_cancellation()

    async def pull() -> None:
        while await client.pull(campaign_durable(campaign), 2.0):
            await suppress_cancellation()

    task = asyncio.ensure_future(follow() if method == "follow" else pull())
    await asyncio.wait_for(reading.wait(), 10)
    task.cancel()
    await asyncio.wait([task], timeout=5.0)
    assert task.done()
    assert task.cancelled()
    await client.close()


async def test_a_consumer_that_was_placed_stays_in_its_place(nats_url: str, campaign: str) -> None:
    """Provisioning it afterwards changes its filters and not where it begins."""
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    subject = f"lab.events.{campaign}.e1.Test"
    receipts = [await transport.publish(subject, b"", f"{campaign}-{number}") for number in range(3)]
    positions = [receipt.position for receipt in receipts]
    durable = Durable(f"placed-{campaign}", subjects.LOG, ("lab.events.other.>",))
    assert positions[1] is not None
    await place_consumer(transport.client.jetstream(), durable, after=positions[1])
    durable = Durable(durable.name, subjects.LOG, (subject,))
    await transport.provision([durable])
    delivery = await transport.pull(durable, 2.0)
    assert delivery is not None
    assert (delivery.stored.seq, delivery.waiting) == (positions[2], 0)
    await transport.close()


async def test_limits_of_streams_are_settings(tmp_path: Path) -> None:
    """A new stream and an existing one get them; a stream without any keeps its own."""
    limits = {subjects.TRACES: StreamLimits(max_bytes=1 << 20, max_age=60.0, discard="old")}
    async with run_server(tmp_path) as url:
        transport = await NatsTransport.connect(url, name="test")
        js = transport.client.jetstream()
        for wanted in (limits, {subjects.TRACES: StreamLimits(max_bytes=2 << 20)}, {}):
            await transport.provision(limits=wanted)
            config = (await js.stream_info(subjects.TRACES)).config
            size = 1 << 20 if wanted is limits else 2 << 20
            assert (config.max_bytes, config.max_age, config.duplicate_window) == (size, 60.0, 60.0)
            assert config.discard == DiscardPolicy.OLD
        log = (await js.stream_info(subjects.LOG)).config
        assert (log.max_bytes, log.max_age, log.discard) == (8 << 30, 0.0, DiscardPolicy.NEW)
        await transport.close()


async def test_a_stream_that_is_silent_is_no_answer(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take a request and die before it replies."""

    async def lose(_: batch_get.BatchReader, after: int) -> None:
        """Lose the request."""

    monkeypatch.setattr(batch_get, "READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr(batch_get.BatchReader, "_request", lose)
    transport = await NatsTransport.connect(nats_url, name="test")
    transport.patience = 0.2
    with pytest.raises(NoAnswer):
        await transport.read(subjects.LOG)
    await transport.close()
