"""Faults of the server and its host: the server is killed, the log is full, a burst is larger than memory reads."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nats.js import api

from bus.delivery.transport import Durable
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from lab.errors import LabError
from lab.home import Home
from tests.support.burst import burst
from tests.support.kill_campaign import run_undisturbed
from tests.support.outcome_faults import faults_of

PLAN = {"experiments": 24, "slots": 8, "seed": 1}
SUBJECT = "lab.events.c.e1.A"


@contextmanager
def running_server(folder: Path, port: int) -> Iterator[None]:
    """Run a server while the context lasts, then kill it."""
    process = server.start_server(folder, port)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


async def connect(port: int) -> NatsTransport:
    """Connect, waiting for the server."""
    return await NatsTransport.connect(f"nats://127.0.0.1:{port}", name="test", wait=20.0)


async def test_a_client_continues_after_its_server_was_killed(tmp_path: Path) -> None:
    """Acknowledged messages are stored, an unacknowledged delivery is repeated, and the same client goes on."""
    port = server.free_port()
    durable = Durable("reader", subjects.LOG, ("lab.events.c.*.A",), ack_wait=1.0)
    with running_server(tmp_path, port):
        client = await connect(port)
        await client.provision()
        await client.publish(SUBJECT, b"one", "m1")
        batches = client.follow(subjects.LOG, 0)
        assert [stored.payload for stored in await anext(batches)] == [b"one"]
        assert await client.pull(durable, 5.0) is not None
        next_batch = asyncio.ensure_future(anext(batches))
    with running_server(tmp_path, port):
        assert (await client.publish(SUBJECT, b"two", "m2")).position == 2
        assert [stored.payload for stored in await asyncio.wait_for(next_batch, 5.0)] == [b"two"]
        deliveries = [await client.pull(durable, 5.0), await client.pull(durable, 5.0)]
        assert sorted(delivery.stored.payload for delivery in deliveries if delivery) == [b"one", b"two"]
        await client.close()


async def test_a_client_that_starts_first_waits_for_its_server(tmp_path: Path) -> None:
    """A service may start before its server, or while the server restarts."""
    port = server.free_port()
    connecting = asyncio.ensure_future(connect(port))
    await asyncio.sleep(0)
    with running_server(tmp_path, port):
        client = await connecting
        await client.provision()
        assert (await client.publish(SUBJECT, b"one", "m1")).position == 1
        await client.close()


def test_a_full_log_ends_the_lab_with_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """Once there is room again, the same command finishes the campaign, and each experiment ends once."""
    home = Home(tmp_path / "small")
    home.prepare()
    asyncio.run(_limit_log(home, max_bytes=150_000))
    with pytest.raises(LabError, match="the log is full") as raised:
        run_undisturbed(home.root, **PLAN)
    assert "\n" not in str(raised.value)
    asyncio.run(_limit_log(home, max_bytes=1 << 30))
    outcome = run_undisturbed(home.root, **PLAN)
    assert faults_of(outcome, PLAN["experiments"]) == []


async def _limit_log(home: Home, max_bytes: int) -> None:
    """Let the log hold at most `max_bytes`, and create it if there is none."""
    port = server.free_port()
    with running_server(home.nats, port):
        client = await connect(port)
        await client.provision()
        stream = client.client.jetstream()
        config = (await stream.stream_info(subjects.LOG)).config
        await stream.update_stream(config.evolve(max_bytes=max_bytes, discard=api.DiscardPolicy.NEW))
        await client.close()


def test_memory_reads_the_whole_of_a_burst(tmp_path: Path) -> None:
    """It reads every event in order, and buffers no more of the waiting ones than a client's limit."""
    figures = burst(tmp_path, events=5_000)
    assert figures["position"] == figures["events"]
    assert figures["digest"] == figures["rebuilt_digest"]
    assert figures["growth_mib"] < 150
