"""A burst of events, more than memory reads at once: `python -m tests.support.burst --events 100000` prints figures.

The program publishes a synthetic campaign's log as fast as the server accepts it, while memory follows in a process of
its own. It compares the resident size of that process with that of a memory that reads the same log without a bus. The
server does not sync its writes, since a server that syncs every message would be slower than the measured reader.
"""

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.campaign_log import campaign_log
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode, encode

if TYPE_CHECKING:
    from memory.store import Store

MAX_IN_FLIGHT = 256
"""Publications that wait for their acknowledgement at once."""
BATCH_SIZE = 256
"""Events that a memory without a bus applies together."""
MAX_PENDING_ROWS = 5000
"""Rows after which memory commits."""
MAX_SECONDS = 3600


def burst(folder: Path, events: int) -> dict[str, Any]:
    """Publish a burst of events while a memory follows; return sizes in MiB, times in seconds, and both digests."""
    spawn = multiprocessing.get_context("spawn")
    with _lazy_server(folder / "nats") as url, spawn.Pool(2, maxtasksperchild=1) as pool:
        asyncio.run(_provision(url))
        following = pool.apply_async(_follow, (url, str(folder / "memory.duckdb"), events))
        start = time.monotonic()
        asyncio.run(_publish(url, events))
        published = time.monotonic()
        followed = following.get(MAX_SECONDS)
        read = time.monotonic()
        rebuilt = pool.apply(_rebuild, (str(folder / "rebuilt.duckdb"), events))
    return {
        "events": events,
        "published_seconds": round(published - start, 1),
        "read_seconds": round(read - start, 1),
        "position": followed["position"],
        "digest": followed["digest"],
        "rebuilt_digest": rebuilt["digest"],
        "rss_mib": followed["rss_mib"],
        "rebuilt_rss_mib": rebuilt["rss_mib"],
        "growth_mib": followed["rss_mib"] - rebuilt["rss_mib"],
        "rebuilt_seconds": rebuilt["seconds"],
    }


def _synthetic_log(events: int) -> Iterator[Envelope]:
    """Yield events at their positions."""
    return (envelope.at_position(seq) for seq, envelope in enumerate(islice(campaign_log(events), events), 1))


@contextmanager
def _lazy_server(folder: Path) -> Iterator[str]:
    """Run a server that does not sync its writes, and yield its URL."""
    port = server.free_port()
    command = server.server_command(folder, port)
    config = folder / "server.conf"
    text = config.read_text()
    assert "sync_interval: always" in text
    config.write_text(text.replace("sync_interval: always", ""))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server.wait_until_ready(port, process)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


async def _provision(url: str) -> None:
    transport = await NatsTransport.connect(url, name="burst")
    await transport.provision()
    await transport.close()


async def _publish(url: str, events: int) -> None:
    """Publish in order, many at once: one connection keeps their order."""
    transport = await NatsTransport.connect(url, name="burst")
    log = _synthetic_log(events)
    while batch := list(islice(log, MAX_IN_FLIGHT)):
        await asyncio.gather(
            *(transport.publish(subjects.event_subject(envelope), encode(envelope), envelope.id) for envelope in batch)
        )
    await transport.close()


def _follow(url: str, database: str, events: int) -> dict[str, Any]:
    """Follow the log until its last event, and return the figures of the store."""
    from memory.store import Store

    with Store(Path(database)) as store:
        asyncio.run(_apply_stream(store, url, events))
        return _figures(store)


async def _apply_stream(store: "Store", url: str, events: int) -> None:
    """Apply the log's messages until its last event."""
    transport = await NatsTransport.connect(url, name="memory")
    async for batch in transport.follow(subjects.LOG, 0):
        store.apply([decode(stored.payload, stored.seq) for stored in batch])
        if store.pending_rows > MAX_PENDING_ROWS:
            store.commit()
        if store.position >= events:
            break
    await transport.close()


def _rebuild(database: str, events: int) -> dict[str, Any]:
    """Read the same log without a bus, and return the figures of the store."""
    from memory.store import Store

    start, log = time.monotonic(), _synthetic_log(events)
    with Store(Path(database)) as store:
        while batch := list(islice(log, BATCH_SIZE)):
            store.apply(batch)
            if store.pending_rows > MAX_PENDING_ROWS:
                store.commit()
        store.commit()
        return _figures(store) | {"seconds": round(time.monotonic() - start, 1)}


def _figures(store: "Store") -> dict[str, Any]:
    """Return a store's position and digest, and the largest resident size of its process so far, MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_kib = int(status["VmHWM"].split()[0])  # of this program alone; getrusage includes its parent's
    return {"position": store.position, "digest": store.digest(), "rss_mib": peak_kib // 1024}


def main() -> None:
    """Measure a burst and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(burst(Path(folder), parser.parse_args().events), indent=1))


if __name__ == "__main__":
    main()
