"""The metrics for Prometheus, read back by its own parser."""

import asyncio
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from bus.delivery.transport import TransportError
from bus.delivery.vitals import Vitals
from bus.nats import server
from bus.nats.micro import register_service
from bus.nats.transport import NatsTransport
from lab.observability import metrics
from lab.observability.metrics import LabCollector, LabReading
from lab.settings import LoadedSettings

BUSY = {"role": "trainer", "instance": 'a "quoted"\n\\host', "lag": 3, "in_flight": 1, "done": 40, "failed": 2,
        "last_error": "no luck"}  # fmt: skip


def scrape(ask: Any) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and labels."""
    registry = CollectorRegistry()
    registry.register(LabCollector(ask))
    families = text_string_to_metric_families(metrics.text(registry))
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_every_vital_of_every_service_is_a_sample() -> None:
    """Role and instance are labels, whatever characters they have."""
    idle = BUSY | {"instance": "2", "lag": 0, "in_flight": 0, "done": 0, "failed": 0}
    busy = (BUSY["instance"], "trainer")
    samples = scrape(lambda: LabReading([BUSY, idle], last_seq=812, dead_letters=4))
    assert samples == {
        ("move37_up",): 1, ("move37_events_total",): 812, ("move37_dead_letters_total",): 4,
        ("move37_lag_messages", *busy): 3, ("move37_in_flight", *busy): 1,
        ("move37_done_total", *busy): 40, ("move37_failed_total", *busy): 2,
        ("move37_lag_messages", "2", "trainer"): 0, ("move37_in_flight", "2", "trainer"): 0,
        ("move37_done_total", "2", "trainer"): 0, ("move37_failed_total", "2", "trainer"): 0,
    }  # fmt: skip


async def test_a_scrape_asks_the_services_that_answer_now(nats_url: str) -> None:
    """Over HTTP, for services on a running server."""
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    role, port = f"role-{uuid4().hex[:8]}", server.free_port()
    await register_service(transport.client, role, "7", Vitals(lag=31))
    settings = LoadedSettings.load({"nats": nats_url}).settings
    endpoint, thread = start_http_server(port, "127.0.0.1", metrics.registry(settings))
    with await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics") as reply:
        assert f'move37_lag_messages{{instance="7",role="{role}"}} 31.0' in reply.read().decode()
    endpoint.shutdown()
    endpoint.server_close()
    thread.join()
    await transport.close()


def test_a_lab_that_does_not_answer_is_down() -> None:
    """The scrape reports it and does not fail."""

    def unreachable() -> LabReading:
        raise TransportError("no NATS server answers")

    assert scrape(unreachable) == {("move37_up",): 0}
