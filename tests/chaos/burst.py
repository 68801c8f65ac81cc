"""More events at once than memory reads: `python -m tests.chaos.burst --events 100000` prints what it took.

A made-up campaign's log is published as fast as the server takes it, while memory, a process of its own, follows. Its
resident size is compared with that of a memory which holds the same log but never saw a burst. This server writes to
disk lazily: what is measured is the reader, and a server that syncs every message would never outrun it.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.campaign_log import campaign_log
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode

IN_FLIGHT = 256
"""Publications under way at once."""


def made_up(events: int) -> Iterator[Envelope]:
    """Yield so many events at their positions."""
    return (said.at_position(seq) for seq, said in enumerate(islice(campaign_log(events), events), 1))


def burst(folder: Path, events: int) -> dict[str, Any]:
    """Publish a burst at a following memory; return sizes in MiB, times in seconds, and both digests."""
    port = server.free_port()
    process = _lazy_server(folder / "nats", port)
    try:
        with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
            url = f"nats://127.0.0.1:{port}"
            asyncio.run(_provision(url))
            following = pool.apply_async(_follow, (url, str(folder / "memory.duckdb"), events))
            begun = time.monotonic()
            asyncio.run(_publish(url, events))
            published = time.monotonic() - begun
            followed = following.get(3600)
            rebuilt = pool.apply(_rebuild, (str(folder / "fresh.duckdb"), events))
    finally:
        process.kill()
        process.wait(10)
    return {
        "events": events,
        "published_seconds": round(published, 1),
        "learned_seconds": round(time.monotonic() - begun, 1),
        "position": followed["position"],
        "digest": followed["digest"],
        "rebuilt": rebuilt["digest"],
        "rss_mib": followed["rss_mib"],
        "rss_rebuilt_mib": rebuilt["rss_mib"],
        "growth_mib": followed["rss_mib"] - rebuilt["rss_mib"],
        "rebuilt_seconds": rebuilt["seconds"],
    }


def _lazy_server(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start a server that doesn't sync."""
    command = server.server_command(folder, port)
    config = folder / "server.conf"
    config.write_text(config.read_text().replace("sync_interval: always", ""))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.wait_until_ready(port, process)
    return process


async def _provision(url: str) -> None:
    transport = await NatsTransport.connect(url, name="burst")
    await transport.provision()
    await transport.close()


async def _publish(url: str, events: int) -> None:
    """Publish in order, many under way at once: one connection keeps their order."""
    transport = await NatsTransport.connect(url, name="burst")
    said = made_up(events)
    while batch := list(islice(said, IN_FLIGHT)):
        await asyncio.gather(*(transport.publish(subjects.event_subject(one), encode(one), one.id) for one in batch))
    await transport.close()


def _follow(url: str, database: str, events: int) -> dict[str, Any]:
    """Follow with a store until all is learned."""
    from bus.wire.envelope import decode
    from memory.store import Store

    async def learn(store: Store) -> None:
        transport = await NatsTransport.connect(url, name="memory")
        async for batch in transport.follow(subjects.LOG, 0):
            store.apply([decode(stored.payload, stored.seq) for stored in batch])
            if store.pending_rows > 5000:
                store.commit()
            if store.position >= events:
                break
        await transport.close()

    with Store(Path(database)) as store:
        asyncio.run(learn(store))
        return _held(store)


def _rebuild(database: str, events: int) -> dict[str, Any]:
    """Read the same log without a bus."""
    from memory.store import Store

    begun, said = time.monotonic(), made_up(events)
    with Store(Path(database)) as store:
        while batch := list(islice(said, 256)):
            store.apply(batch)
            if store.pending_rows > 5000:
                store.commit()
        store.commit()
        return _held(store) | {"seconds": round(time.monotonic() - begun, 1)}


def _held(store: Any) -> dict[str, Any]:
    """Return what a store holds, and the largest resident size of its process so far."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) // 1024  # of this program alone; getrusage remembers its parent's
    return {"position": store.position, "digest": store.digest(), "rss_mib": peak, "pid": os.getpid()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(burst(Path(folder), parser.parse_args().events), indent=1))


if __name__ == "__main__":
    main()
