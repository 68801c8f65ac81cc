"""Metrics for Prometheus: the vitals that every service reports over nats.micro, absent roles, the length of the log.

One process asks all services, so that no service needs a port of its own.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bus.delivery.transport import TransportError
from bus.wire import subjects
from lab.client.session import open_lab
from lab.client.staff import RollCall, Staff
from lab.errors import LabError
from lab.observability import service_families
from lab.settings import Settings

SCRAPE_PATIENCE_S = 5.0
"""Prometheus gives up a scrape after ten seconds by default."""


@dataclass(frozen=True, slots=True)
class LabReading:
    """The state of a lab at one moment."""

    roll: RollCall
    """Its services, and the needed roles that have none."""
    last_seq: int
    """Newest position of the log."""
    dead_letters: int


async def read_lab(settings: Settings, staff: Staff) -> LabReading:
    """Ask a running lab for its state. Raises LabError, TransportError."""
    hasty = settings.model_copy(update={"patience": min(settings.patience, SCRAPE_PATIENCE_S)})
    async with open_lab(hasty) as reader:
        lengths = await reader.length(subjects.LOG), await reader.length(subjects.DEAD)
        return LabReading(await reader.roll_call(staff), *lengths)


class LabCollector(Collector):
    """Collects the metrics of a lab at every scrape."""

    def __init__(self, ask: Callable[[], LabReading]) -> None:
        """Read the lab with `ask`; if that fails, report the lab as down."""
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families."""
        reading = None
        with contextlib.suppress(LabError, TransportError):
            reading = self._ask()
        yield GaugeMetricFamily("move37_up", "Whether the lab's server answers.", float(reading is not None))
        if reading is None:
            return
        yield CounterMetricFamily("move37_events", "Events in the log.", reading.last_seq)
        yield CounterMetricFamily("move37_dead_letters", "Messages that a role could not handle.", reading.dead_letters)
        yield from service_families.staff(reading.roll)
        yield from service_families.vitals(reading.roll.services)
        yield service_families.durations(reading.roll.services)
        yield from service_families.hosts(reading.roll.services)
        yield service_families.circuits(reading.roll.services)


def registry(settings: Settings) -> CollectorRegistry:
    """Return a registry with the metrics of the lab that the settings name."""
    metrics, staff = CollectorRegistry(), Staff()
    metrics.register(LabCollector(lambda: asyncio.run(read_lab(settings, staff))))
    return metrics


def text(metrics: CollectorRegistry) -> str:
    """Return the metrics in Prometheus' text format."""
    return generate_latest(metrics).decode()


def serve(settings: Settings, host: str, port: int) -> None:
    """Answer scrapes of `http://host:port/metrics` until interrupted. Raises LabError if the port is taken."""
    try:
        server, thread = start_http_server(port, host, registry(settings))
    except OSError as error:
        raise LabError(f"can't listen on {host}:{port} ({error.strerror}); hint: choose another --port") from None
    try:
        thread.join()
    finally:
        server.shutdown()
