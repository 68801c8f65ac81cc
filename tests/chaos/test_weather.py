"""What a host does to a lab: its server starts anew, its disk is full, more comes than is read."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from nats.js import api

from bus.delivery.transport import Durable
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from lab.errors import LabError
from lab.home import Home
from tests.chaos.burst import burst
from tests.chaos.driver import endure, examine


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block ends."""
    process = server.start_server(folder, port)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[NatsTransport]:
    """Connect, waiting for the server."""
    transport = await NatsTransport.connect(f"nats://127.0.0.1:{port}", name="test", wait=20.0)
    try:
        yield transport
    finally:
        await transport.close()


async def test_a_client_goes_on_with_a_server_that_was_killed(tmp_path: Path) -> None:
    """What was acknowledged is there, a message in hand comes again, and the same client goes on."""
    port = server.free_port()
    durable = Durable("reader", subjects.LOG, ("lab.events.c.*.A",), ack_wait=1.0)
    with serving(tmp_path, port):
        client = await NatsTransport.connect(f"nats://127.0.0.1:{port}", name="test", wait=20.0)
        await client.provision()
        await client.publish("lab.events.c.e1.A", b"one", "m1")
        reading = client.follow(subjects.LOG, 0)
        assert [stored.payload for stored in await anext(reading)] == [b"one"]
        assert await client.pull(durable, 5.0) is not None
        following = asyncio.ensure_future(anext(reading))
    with serving(tmp_path, port):
        assert await client.publish("lab.events.c.e1.A", b"two", "m2") == 2
        assert [stored.payload for stored in await asyncio.wait_for(following, 5.0)] == [b"two"]
        pulled = [await client.pull(durable, 5.0), await client.pull(durable, 5.0)]
        assert sorted(one.stored.payload for one in pulled if one) == [b"one", b"two"]
        await client.close()


async def test_a_cold_client_waits_for_its_server(tmp_path: Path) -> None:
    """A service that starts before its server is there, or while it comes back, is patient."""
    port = server.free_port()
    client = asyncio.ensure_future(NatsTransport.connect(f"nats://127.0.0.1:{port}", name="test", wait=20.0))
    await asyncio.sleep(0)
    with serving(tmp_path, port):
        transport = await client
        await transport.provision()
        assert await transport.publish("lab.events.c.e1.A", b"one", "m1") == 1
        await transport.close()


def test_a_full_log_ends_the_lab_with_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """With room again, the same command finishes every experiment once, whatever had been cut off."""
    home = Home(tmp_path / "small")
    home.prepare()
    asyncio.run(_limit(home, max_bytes=150_000))
    with pytest.raises(LabError, match="the log is full") as raised:
        endure(home.root, experiments=24, slots=8, seed=1)
    assert "\n" not in str(raised.value)
    asyncio.run(_limit(home, max_bytes=1 << 30))
    left = endure(home.root, experiments=24, slots=8, seed=1)
    assert examine(left, left) == []
    assert len(left.ends()) == 6 + 24


def test_a_burst_is_read_whole_by_a_slow_memory(tmp_path: Path) -> None:
    """It learns all of it, in order, and holds no more of what waits than a client's buffer."""
    figures = burst(tmp_path, events=5_000)
    assert figures["position"] == figures["events"]
    assert figures["digest"] == figures["rebuilt"]
    assert figures["growth_mib"] < 150


async def _limit(home: Home, max_bytes: int) -> None:
    """Create the log, or change it, so that it holds at most so many bytes."""
    port = server.free_port()
    with serving(home.nats, port):
        async with connected(port) as client:
            await client.provision()
            config = (await client._js.stream_info(subjects.LOG)).config
            await client._js.update_stream(config.evolve(max_bytes=max_bytes, discard=api.DiscardPolicy.NEW))
