"""Metrics for Prometheus: the vitals that every service reports over nats.micro, and the length of the log.

One process asks all services, so that no service needs a port of its own.
https://prometheus.io/docs/instrumenting/exposition_formats/
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

SCRAPE_PATIENCE_S = 5.0
"""Prometheus gives up a scrape after ten seconds by default."""
SERVICE_LABELS = ("role", "instance")


@dataclass(frozen=True, slots=True)
class LabReading:
    """The state of a lab at one moment."""

    services: Sequence[dict[str, Any]]
    """Vitals of each service, with its role and instance."""
    last_seq: int
    """Newest position of the log."""
    dead_letters: int


async def read_lab(settings: Settings) -> LabReading:
    """Ask a running lab for its state. Raises LabError, TransportError."""
    hasty = settings.model_copy(update={"patience": min(settings.patience, SCRAPE_PATIENCE_S)})
    async with open_lab(hasty) as reader:
        services, last = await reader.services(), await reader.last_position()
        return LabReading(services, last, await reader.last_position(subjects.DEAD))


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
        yield from _vitals(reading.services)


def _vitals(services: Sequence[dict[str, Any]]) -> Iterator[Metric]:
    """Yield one metric family for each vital."""
    families = (
        ("lag", GaugeMetricFamily("move37_lag_messages", "Messages that wait for the service.", labels=SERVICE_LABELS)),
        (
            "in_flight",
            GaugeMetricFamily("move37_in_flight", "Decisions or answers in progress.", labels=SERVICE_LABELS),
        ),
        ("done", CounterMetricFamily("move37_done", "Decisions or answers finished.", labels=SERVICE_LABELS)),
        ("failed", CounterMetricFamily("move37_failed", "Of these, ended in an error.", labels=SERVICE_LABELS)),
    )
    for vital, family in families:
        for service in services:
            family.add_metric([str(service[label]) for label in SERVICE_LABELS], float(service[vital]))
        yield family


def registry(settings: Settings) -> CollectorRegistry:
    """Return a registry with the metrics of the lab that the settings name."""
    metrics = CollectorRegistry()
    metrics.register(LabCollector(lambda: asyncio.run(read_lab(settings))))
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
