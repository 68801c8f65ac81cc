"""The metric families of services: their staff, their vitals, how long their work took, and their hosts."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from bus.delivery.durations import BUCKETS_S
from lab.client.staff import RollCall
from lab.roster import needed_roles

SERVICE_LABELS = ("role", "instance")
GAUGES = (
    ("lag", "move37_lag_messages", "Messages that wait for the service."),
    ("in_flight", "move37_in_flight", "Decisions or answers in progress."),
    ("queue_age_s", "move37_queue_age_seconds", "How long the newest pulled message had waited."),
    ("uptime_s", "move37_uptime_seconds", "Time since the service started."),
    ("draining", "move37_draining", "Whether the service ends after the work in hand."),
)
COUNTERS = (
    ("done", "move37_done", "Decisions or answers finished."),
    ("failed", "move37_failed", "Of these, ended in an error."),
)
GPU_GAUGES = (
    ("utilization", "move37_gpu_utilization_ratio", "Share of the time in which the GPU worked."),
    ("memory_used_bytes", "move37_gpu_memory_used_bytes", "Memory of the GPU in use."),
    ("memory_total_bytes", "move37_gpu_memory_bytes", "Memory of the GPU."),
)
Services = Sequence[dict[str, Any]]


def staff(roll: RollCall) -> Iterator[Metric]:
    """Yield how many services each needed role has, and for how long one has been without."""
    present = GaugeMetricFamily("move37_role_services", "Services of a role that a campaign needs.", labels=["role"])
    absent = GaugeMetricFamily(
        "move37_role_absent_seconds", "Time since a needed role without a service was heard of.", labels=["role"]
    )
    for role in needed_roles():
        present.add_metric([role], sum(service["role"] == role for service in roll.services))
    for role in roll.absent:
        if role.since:
            absent.add_metric([role.role], max(0.0, (roll.time - role.since).total_seconds()))
    yield from (present, absent)


def vitals(services: Services) -> Iterator[Metric]:
    """Yield one family for each vital, and one for the facts that are texts."""
    gauges = [(vital, GaugeMetricFamily(name, text, labels=SERVICE_LABELS)) for vital, name, text in GAUGES]
    counters = [(vital, CounterMetricFamily(name, text, labels=SERVICE_LABELS)) for vital, name, text in COUNTERS]
    for vital, family in (*gauges, *counters):
        for service in services:
            family.add_metric(_labels(service), float(service.get(vital, 0)))
        yield family
    facts = GaugeMetricFamily(
        "move37_service_info", "Host and version of a service.", labels=[*SERVICE_LABELS, "host", "version"]
    )
    for service in services:
        facts.add_metric([*_labels(service), str(service.get("host", "")), str(service.get("version", ""))], 1.0)
    yield facts


def durations(services: Services) -> Metric:
    """Return how long each kind of work took.

    `work` is the type of the event that was decided, or of the question that was answered on the way: `Prepare` are the
    gates of a run, `Train` is its training and scoring; the analyst's `RunCompleted` is the analysis.
    """
    family = HistogramMetricFamily(
        "move37_duration_seconds", "How long a piece of work took.", labels=[*SERVICE_LABELS, "work"]
    )
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    for service in services:
        for work, counted in service.get("durations", {}).items():
            buckets = [*zip(bounds, map(float, accumulate(counted["counts"])), strict=True)]
            family.add_metric([*_labels(service), work], buckets, counted["sum"])
    return family


def hosts(services: Services) -> Iterator[Metric]:
    """Yield the free space of each home and the state of each GPU; services of one host report the same."""
    disk = GaugeMetricFamily("move37_disk_free_bytes", "Free space on a home's disk.", labels=["host", "home"])
    homes = {(str(service["host"]), str(service["home"])): service for service in services if service.get("home")}
    for labels, service in homes.items():
        if service["disk_free_bytes"] is not None:
            disk.add_metric(labels, float(service["disk_free_bytes"]))
    yield disk
    gpus = {(str(service["host"]), str(gpu["index"])): gpu for service in services for gpu in service.get("gpus", ())}
    for figure, name, text in GPU_GAUGES:
        family = GaugeMetricFamily(name, text, labels=["host", "gpu"])
        for labels, gpu in gpus.items():
            family.add_metric(labels, float(gpu[figure]))
        yield family


def circuits(services: Services) -> Metric:
    """Return whether each service's circuit to a model is open."""
    family = GaugeMetricFamily(
        "move37_model_circuit_open",
        "Whether a service sends no requests to a model, because its endpoint failed.",
        labels=[*SERVICE_LABELS, "model"],
    )
    for service in services:
        for model, circuit in service.get("circuits", {}).items():
            family.add_metric([*_labels(service), model], float(circuit["state"] != "closed"))
    return family


def _labels(service: dict[str, Any]) -> list[str]:
    return [str(service[label]) for label in SERVICE_LABELS]
