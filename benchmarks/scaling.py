"""The speed-up from more trainers: `python -m benchmarks.scaling` prints JSON.

Trainer processes share one durable consumer of a durable server (`sync_interval: always`). A run sleeps for a fixed
time, so one machine can serve many trainers, and the benchmark measures the sharing of work alone. The speed-up is the
time of one trainer divided by the time of n trainers. Time counts from the first RunStarted to the last RunCompleted.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.nats import server
from bus.nats.micro import survey_services
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import Limits, RunCompleted, RunRequested, RunStarted
from bus.wire import subjects
from bus.wire.ids import run_id
from lab.roster import all_durables
from lab.runtime.campaign import service_command


def measure(trainers: int, runs: int, seconds: float) -> float:
    """Return the seconds that a number of trainers need for a number of runs on a fresh server."""
    with tempfile.TemporaryDirectory() as folder:
        port = server.free_port()
        processes = [server.start_server(Path(folder), port)]
        url = f"nats://127.0.0.1:{port}"
        try:
            processes += [_trainer(url, number, seconds) for number in range(trainers)]
            return asyncio.run(_time_runs(url, trainers, runs))
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(10)


def _trainer(url: str, number: int, seconds: float) -> "subprocess.Popen[bytes]":
    """Start a trainer that takes one run at a time."""
    settings = {"MOVE37_NATS": url, "INSTANT_SECONDS": str(seconds), "INSTANT_AT_ONCE": "1"}
    return subprocess.Popen(
        service_command("trainer", str(number), "benchmarks.instant_trainer"),
        env={**os.environ, **settings}, stderr=subprocess.DEVNULL,
    )  # fmt: skip


async def _time_runs(url: str, trainers: int, runs: int) -> float:
    """Wait for all trainers, request the runs, and return the seconds from the first start to the last completion."""
    transport = await NatsTransport.connect(url, name="benchmark")
    try:
        await transport.provision(all_durables())
        while len(await survey_services(transport.client)) < trainers:
            await asyncio.sleep(0.1)
        bus = Bus(transport, "engineer")
        for number in range(1, runs + 1):
            await bus.publish(_request(f"e{number:04d}"), "scaling")
        return _span_s(await _event_times(bus, runs))
    finally:
        await transport.close()


def _request(experiment: str) -> Post:
    """Return a request for a run; its source is not trained."""
    limits = Limits(seconds=60, memory_mb=1024)
    request = RunRequested(
        run=run_id(experiment, 0), attempt=0, source=experiment, scale="nano", seed=0, limits=limits
    )  # fmt: skip
    return Post(experiment, request)


async def _event_times(bus: Bus, runs: int) -> Sequence[datetime]:
    """Wait until all runs are complete, and return the times of their starts and completions, in order."""
    times: list[datetime] = []
    completed = 0
    async for batch in bus.follow():
        for envelope in map(subjects.decode_event, batch):
            if isinstance(envelope.event, RunStarted | RunCompleted):
                times.append(envelope.time)
                completed += isinstance(envelope.event, RunCompleted)
        if completed == runs:
            break
    return sorted(times)


def _span_s(times: Sequence[datetime]) -> float:
    return (times[-1] - times[0]).total_seconds()


def scaling(counts: Sequence[int], runs: int, seconds: float) -> list[dict[str, Any]]:
    """Measure each number of trainers, and compare it with the first."""
    spans = {count: measure(count, runs, seconds) for count in counts}
    base = counts[0] * spans[counts[0]]
    return [
        {"trainers": count, "seconds": round(span, 2), "speed_up": round(base / span, 2),
         "of_ideal": round(base / span / count, 3)}
        for count, span in spans.items()
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainers", type=int, nargs="*", default=[1, 2, 4, 8], help="numbers of trainers")
    parser.add_argument("--runs", type=int, default=64, help="runs to carry out, a multiple of each number")
    parser.add_argument("--seconds", type=float, default=0.5, help="duration of a run")
    arguments = parser.parse_args()
    print(json.dumps(scaling(arguments.trainers, arguments.runs, arguments.seconds), indent=1))


if __name__ == "__main__":
    main()
