"""What Prometheus scrapes: the vitals that every service tells over nats.micro, and how far the log has come.

One place asks them all, so that no service needs a port of its own. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bus.delivery.transport import TransportError
from bus.wire import subjects
from lab.client.session import open_lab
from lab.errors import LabError
from lab.settings import Settings

OF_A_SERVICE = ("role", "instance")
"""Labels of a service's figures."""


@dataclass(frozen=True, slots=True)
class LabReading:
    """What a lab tells of itself at one moment."""

    services: Sequence[dict[str, Any]]
    """Vitals by role and instance."""
    last_seq: int
    """Newest position of the log."""
    dead_letters: int


async def read(settings: Settings) -> LabReading:
    """Ask a running lab. Raises LabError, TransportError."""
    async with open_lab(settings) as reader:
        last = reader.bus.transport.last_seq
        return LabReading(await reader.services(), await last(subjects.LOG), await last(subjects.DEAD))


class LabCollector(Collector):
    """The metrics of a lab, read anew at every scrape."""

    def __init__(self, ask: Callable[[], LabReading]) -> None:
        """Read by `ask`; while that fails, the lab is told to be down."""
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        reading = None
        with contextlib.suppress(LabError, TransportError):
            reading = self._ask()
        yield GaugeMetricFamily("move37_up", "Whether the lab's server answers.", float(reading is not None))
        if reading is None:
            return
        yield CounterMetricFamily("move37_events", "Events in the log.", reading.last_seq)
        yield CounterMetricFamily(
            "move37_dead_letters", "Messages that no role could decide upon.", reading.dead_letters
        )
        yield from _vitals(reading.services)


def _vitals(services: Sequence[dict[str, Any]]) -> Iterator[Metric]:
    """Yield a family for each figure that services count."""
    families = (
        ("lag", GaugeMetricFamily("move37_lag_messages", "Messages that wait for the service.", labels=OF_A_SERVICE)),
        ("in_flight", GaugeMetricFamily("move37_in_flight", "Decisions or answers under way.", labels=OF_A_SERVICE)),
        ("done", CounterMetricFamily("move37_done", "Decisions or answers finished.", labels=OF_A_SERVICE)),
        ("failed", CounterMetricFamily("move37_failed", "Of these, ended in an error.", labels=OF_A_SERVICE)),
    )
    for figure, family in families:
        for one in services:
            family.add_metric([str(one[label]) for label in OF_A_SERVICE], float(one[figure]))
        yield family


def registry(settings: Settings) -> CollectorRegistry:
    """Return what is scraped of the lab that the settings name."""
    found = CollectorRegistry()
    found.register(LabCollector(lambda: asyncio.run(read(settings))))
    return found


def text(metrics: CollectorRegistry) -> str:
    """Return the metrics in Prometheus' text format."""
    return generate_latest(metrics).decode()


def serve(settings: Settings, host: str, port: int) -> None:
    """Answer scrapes of `http://host:port/metrics` until interrupted. Raises LabError where the port is taken."""
    try:
        server, thread = start_http_server(port, host, registry(settings))
    except OSError as error:
        raise LabError(f"can't listen on {host}:{port}: {error.strerror}") from None
    try:
        thread.join()
    finally:
        server.shutdown()
