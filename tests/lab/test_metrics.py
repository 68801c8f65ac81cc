"""The metrics for Prometheus, read back by its own parser."""

import asyncio
import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from bus.delivery.durations import Durations
from bus.delivery.transport import TransportError
from bus.delivery.vitals import Vitals
from bus.nats import server
from bus.nats.micro import register_service
from bus.nats.transport import NatsTransport
from lab.client.staff import AbsentRole, RollCall, Staff
from lab.observability import metrics
from lab.observability.host_facts import HostFacts
from lab.observability.metrics import LabCollector, LabReading
from lab.settings import LoadedSettings
from tests.support.labs import ROOT

BUSY = {"role": "trainer", "instance": 'a "quoted"\n\\host', "lag": 3, "in_flight": 1, "done": 40, "failed": 2,
        "last_error": "no luck", "host": "h1", "version": "0.1.0", "queue_age_s": 7.5, "uptime_s": 60.0,
        "draining": True}  # fmt: skip
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def scrape(ask: Any) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and labels."""
    registry = CollectorRegistry()
    registry.register(LabCollector(ask))
    families = text_string_to_metric_families(metrics.text(registry))
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def reading(*services: dict[str, Any], absent: tuple[AbsentRole, ...] = ()) -> LabReading:
    """Return the state of a lab with these services."""
    return LabReading(RollCall(services, absent, NOW), last_seq=812, dead_letters=4)


def test_every_vital_of_every_service_is_a_sample() -> None:
    """Role and instance are labels, whatever characters they have."""
    idle = {"role": "trainer", "instance": "2", "host": "h2", "version": "0.1.0"}
    busy = (BUSY["instance"], "trainer")
    samples = scrape(lambda: reading(BUSY, idle))
    assert samples.items() >= {
        ("move37_up",): 1, ("move37_events_total",): 812, ("move37_dead_letters_total",): 4,
        ("move37_lag_messages", *busy): 3, ("move37_in_flight", *busy): 1,
        ("move37_done_total", *busy): 40, ("move37_failed_total", *busy): 2,
        ("move37_queue_age_seconds", *busy): 7.5, ("move37_uptime_seconds", *busy): 60, ("move37_draining", *busy): 1,
        ("move37_service_info", "h1", BUSY["instance"], "trainer", "0.1.0"): 1,
        ("move37_lag_messages", "2", "trainer"): 0, ("move37_in_flight", "2", "trainer"): 0,
        ("move37_done_total", "2", "trainer"): 0, ("move37_failed_total", "2", "trainer"): 0,
    }.items()  # fmt: skip


def test_durations_are_a_histogram_for_each_kind_of_work() -> None:
    """Gates are the trainer's `Prepare`; the buckets are cumulative."""
    gates = Durations()
    for seconds in (0.5, 2.0, 2.5):
        gates.add(seconds)
    service = BUSY | {"instance": "1", "durations": {"Prepare": gates.report()}}
    samples = scrape(lambda: reading(service))
    labels = ("1", "trainer", "Prepare")  # in alphabetical order of their names: instance, le, role, work
    buckets = {key[2]: value for key, value in samples.items() if key[0] == "move37_duration_seconds_bucket"}
    assert buckets["0.3"] == 0
    assert (buckets["1.0"], buckets["3.0"], buckets["+Inf"]) == (1, 3, 3)
    assert samples["move37_duration_seconds_sum", *labels] == 5
    assert samples["move37_duration_seconds_count", *labels] == 3


def test_an_absent_role_is_counted_with_the_time_of_its_absence() -> None:
    """A role that was never heard of has no time."""
    absent = (AbsentRole("desk", NOW - timedelta(seconds=90), ""), AbsentRole("memory", None, ""))
    samples = scrape(lambda: reading(BUSY, absent=absent))
    services = {key[1]: value for key, value in samples.items() if key[0] == "move37_role_services"}
    assert services["trainer"] == 1
    assert services["desk"] == services["memory"] == 0
    assert "dashboard" not in services
    seconds = {key[1]: value for key, value in samples.items() if key[0] == "move37_role_absent_seconds"}
    assert seconds == {"desk": 90}


def test_hosts_are_counted_once(tmp_path: Path) -> None:
    """Services of one host report one disk and the same GPUs."""
    gpu = {"index": 0, "name": "H200", "utilization": 0.5, "memory_used_bytes": 10, "memory_total_bytes": 20}
    facts = {"home": str(tmp_path), "disk_free_bytes": 1 << 30, "gpus": [gpu]}
    samples = scrape(lambda: reading(BUSY | facts, BUSY | facts | {"instance": "2"}))
    assert samples["move37_disk_free_bytes", str(tmp_path), "h1"] == 1 << 30
    assert samples["move37_gpu_utilization_ratio", "0", "h1"] == 0.5
    assert samples["move37_gpu_memory_used_bytes", "0", "h1"] == 10


def test_host_facts_sample_gpus_outside_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free space counts for a home that does not exist yet; the output of nvidia-smi is read line by line."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho '0, NVIDIA H200, 37, 1024, 143771'\necho '1, A100, [N/A], 5, 81920'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    facts = HostFacts(tmp_path / "lab" / "home")
    deadline = time.monotonic() + 20
    while not (report := facts.report())["gpus"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert report["disk_free_bytes"] > 0
    assert report["gpus"] == [
        {"index": 0, "name": "NVIDIA H200", "utilization": 0.37, "memory_used_bytes": 1024 << 20,
         "memory_total_bytes": 143771 << 20}
    ]  # fmt: skip


def test_the_grafana_dashboard_asks_for_existing_metrics_only() -> None:
    """Each query names metrics that a scrape of a busy lab has, and the labels that these have."""
    gpu = {"index": 0, "name": "H200", "utilization": 0.5, "memory_used_bytes": 10, "memory_total_bytes": 20}
    facts = {"home": "/lab", "disk_free_bytes": 1, "gpus": [gpu], "durations": {"Prepare": Durations().report()}}
    registry = CollectorRegistry()
    registry.register(LabCollector(lambda: reading(BUSY | facts, absent=(AbsentRole("desk", NOW, ""),))))
    families = text_string_to_metric_families(metrics.text(registry))
    labels = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) >= 10
    for query in queries:
        names = set(re.findall(r"\bmove37_\w+", query))
        assert names
        assert names <= labels.keys(), query
        used = set(re.findall(r"[{,]\s*(\w+)=", query)) | {
            label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")
        }
        assert used <= set().union(*(labels[name] for name in names)), query


async def test_a_scrape_asks_the_services_that_answer_now(nats_url: str) -> None:
    """Over HTTP, for services on a running server."""
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    role, port = f"role-{uuid4().hex[:8]}", server.free_port()
    await register_service(transport.client, role, "7", Vitals(lag=31))
    settings = LoadedSettings.load({"nats": nats_url}).settings
    assert role not in {one.role for one in (await metrics.read_lab(settings, Staff())).roll.absent}
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
