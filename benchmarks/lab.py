"""Speed and size of a whole lab: `make bench-lab` prints JSON.

Two kinds of campaign, each in a fresh home with real processes and the durable log (`sync_interval: always`):
- *real*: time to the first run, resident memory, latency from RunCompleted to the next ProposalCreated, and the
  trainers' busy share of the wall time;
- *instant*: an instant trainer replaces the real ones, which gives the orchestrator's own experiments per second. With
  `--holding N`, memory holds a finished campaign of N experiments that goes on.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import event_times
from benchmarks.past import begin_after_past
from benchmarks.process_usage import usage_by_service
from bus.vocabulary.events import AnalysisReady, CampaignFinished, RunStarted
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.roster import agent_names
from lab.runtime import campaign
from lab.runtime.supervisor import Service
from lab.settings import LoadedSettings, Settings

MIB = 2**20
SAMPLE_INTERVAL_S = 1.0


class MeasurementComplete(Exception):
    """Ends a campaign whose experiments are over without asking memory for its result."""


@dataclass
class Recorder:
    """Records events and usage in place of the live view."""

    start: float = field(default_factory=time.monotonic)
    log: list[Envelope] = field(default_factory=list)
    first_run_s: float | None = None
    """Seconds from the start to the first RunStarted."""
    peak_bytes: dict[str, int] = field(default_factory=dict)
    """Largest resident size of each service."""
    peak_total_bytes: int = 0
    """Largest sum of all services in one sample."""
    cpu_samples: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Number of analysed experiments, and the CPU seconds of each service by then."""
    stop_when_finished: bool = False
    """Whether to raise MeasurementComplete once the experiments that were opened here are over."""
    _last_sample: float = 0.0

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Record an event; without one, sample the usage at most once per interval."""
        if envelope is None:
            if time.monotonic() - self._last_sample > SAMPLE_INTERVAL_S:
                self._sample()
            return
        self.log.append(envelope)
        if self.first_run_s is None and isinstance(envelope.event, RunStarted):
            self.first_run_s = time.monotonic() - self.start
        if self.stop_when_finished and isinstance(envelope.event, CampaignFinished) and self.first_run_s:
            raise MeasurementComplete  # a CampaignFinished before the first run precedes the larger budget

    def _sample(self) -> None:
        self._last_sample = time.monotonic()
        usage = usage_by_service()
        self.peak_total_bytes = max(
            self.peak_total_bytes, sum(service_usage.resident_bytes for service_usage in usage.values())
        )
        for name, service_usage in usage.items():
            self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), service_usage.resident_bytes)
        analysed = sum(isinstance(envelope.event, AnalysisReady) for envelope in self.log)
        self.cpu_samples.append((analysed, {name: service_usage.cpu_seconds for name, service_usage in usage.items()}))

    def cpu_ms_per_experiment(self, after: int = 0) -> dict[str, float]:
        """Return each service's CPU milliseconds per experiment, from the first sample of more than `after`."""
        samples = [sample for sample in self.cpu_samples if sample[0] > after]
        (first_count, first_cpu_s), (last_count, last_cpu_s) = samples[0], samples[-1]
        experiments = max(1, last_count - first_count)
        return {
            name: round(1000 * (cpu_s - first_cpu_s.get(name, 0.0)) / experiments, 1)
            for name, cpu_s in last_cpu_s.items()
        }

    def peak_mib(self) -> dict[str, int]:
        """Return the largest resident size of each service in MiB."""
        return {name: round(size / MIB) for name, size in sorted(self.peak_bytes.items())}


def instant_services(settings: Settings, home: Home, *, word_memory: bool = False) -> list[Service]:
    """Return a lab with instant trainers and, with `word_memory`, a memory without the sentence model."""
    replaced_roles = {"trainer", "memory"} if word_memory else {"trainer"}

    def instant(service: Service) -> Service:
        role, instance = service.command[-2:]
        command = campaign.service_command(role, instance, "benchmarks.instant_trainer")
        return replace(service, command=command) if role in replaced_roles else service

    return [instant(service) for service in campaign.lab_services(settings, home)]


def measure(settings: Settings, services: campaign.Services | None = None) -> tuple[Recorder, campaign.RunOutcome]:
    """Run one campaign in a fresh home."""
    with _fresh_home() as home:
        recorder = Recorder()
        settings = settings.model_copy(update={"home": home.root})
        return recorder, asyncio.run(campaign.run_campaign(settings, home, recorder, services))


def continue_campaign(settings: Settings, services: campaign.Services, holding: int) -> Recorder:
    """Continue a campaign of `holding` experiments by the settings' number of experiments."""
    with _fresh_home() as home:
        settings = settings.model_copy(update={"home": home.root})
        asyncio.run(begin_after_past(settings, home, holding))
        recorder = Recorder(stop_when_finished=True)
        larger = settings.model_copy(update={"experiments": holding + settings.experiments})
        with contextlib.suppress(MeasurementComplete):
            asyncio.run(campaign.run_campaign(larger, home, recorder, services))
        return recorder


@contextlib.contextmanager
def _fresh_home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.prepare()
        yield home


def real_campaign(experiments: int, trainers: int) -> dict[str, Any]:
    """Measure a campaign that trains."""
    settings = LoadedSettings.load({"experiments": experiments, "trainers": trainers}).settings
    recorder, outcome = measure(settings)
    peak_mib = recorder.peak_mib()
    latencies = event_times.proposal_latencies_ms(recorder.log) or [0.0]
    return {
        "experiments": len(outcome.results.experiments),
        "seconds": round(outcome.seconds, 1),
        "first_run_started_seconds": round(recorder.first_run_s or 0.0, 1),
        "rss_total_mib": round(recorder.peak_total_bytes / MIB),
        "rss_mib": peak_mib,
        "largest_agent_mib": max(peak_mib.get(name, 0) for name in agent_names()),
        "completed_to_next_proposal_ms": {"p50": round(statistics.median(latencies)), "max": round(max(latencies))},
        "trainers_busy": round(event_times.trainer_utilisation(recorder.log, trainers), 3),
        "seconds_per_experiment": round(statistics.median(event_times.run_durations_s(recorder.log)), 2),
    }


def instant_campaign(experiments: int, slots: int, *, word_memory: bool = False, holding: int = 0) -> dict[str, Any]:
    """Measure the orchestrator, after a campaign of `holding` experiments."""
    settings = LoadedSettings.load({"experiments": experiments, "trainers": 1, "slots": slots}).settings
    services = partial(instant_services, word_memory=word_memory)
    recorder = continue_campaign(settings, services, holding) if holding else measure(settings, services)[0]
    times = event_times.analysis_times(recorder.log)
    second_half = times[len(times) // 2 :]
    return {
        "holding": holding,
        "slots": slots,
        "experiments": len(times),
        "experiments_per_second": event_times.rates(times, 1)[0],
        "by_tenth": event_times.rates(times, 10),
        "second_half_per_second": event_times.rates(second_half, 1)[0],
        "completed_to_next_proposal_p50_ms": round(
            statistics.median(event_times.proposal_latencies_ms(recorder.log)), 1
        ),
        "hops_ms": event_times.latencies_by_hop(recorder.log),
        "cpu_ms_per_experiment": recorder.cpu_ms_per_experiment(),
        "second_half_cpu_ms": recorder.cpu_ms_per_experiment(len(second_half)),
        "rss_mib": recorder.peak_mib(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=16, help="experiments of the real campaign")
    parser.add_argument("--instant", type=int, default=400, help="experiments of each instant campaign")
    parser.add_argument("--slots", type=int, nargs="*", default=[1, 8, 64], help="slots of the instant campaigns")
    parser.add_argument("--holding", type=int, nargs="*", default=[0], help="experiments that memory holds before")
    parser.add_argument("--words", action="store_true", help="instant campaigns without the sentence model")
    options = parser.parse_args()
    figures = {"real": real_campaign(options.experiments, 2)} if options.experiments else {}
    instant = [
        instant_campaign(options.instant, slots, word_memory=options.words, holding=holding)
        for holding in options.holding
        for slots in options.slots
    ]
    print(json.dumps(figures | {"instant": instant}, indent=1))


if __name__ == "__main__":
    main()
