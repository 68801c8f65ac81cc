"""How fast and how large a whole lab is: `make bench-lab` prints JSON.

Two campaigns, each a fresh home with real processes and the durable chain (`sync_interval: always`):
- *real*: start-up, resident memory, latency from a RunCompleted to the next ProposalCreated, trainers' share of the
  wall time;
- *instant*: an instant trainer in place of the real ones, for the orchestrator's own experiments a second; with
  `--holding N` in a lab whose memory holds a campaign of N experiments, which goes on.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.past import begin_after_past
from bus.vocabulary.events import AnalysisReady, CampaignFinished, ProposalCreated, RunCompleted, RunStarted
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView, is_baseline
from lab.home import Home
from lab.runtime import campaign
from lab.runtime.supervisor import Service
from lab.settings import LoadedSettings, Settings

AGENTS = frozenset(campaign.AGENTS)


class Seen(Exception):
    """Everything that was to be measured has been seen."""


@dataclass
class Watcher:
    """A screen that measures instead of drawing."""

    begun: float = field(default_factory=time.monotonic)
    said: list[Envelope] = field(default_factory=list)
    first_run: float | None = None
    memory: dict[str, int] = field(default_factory=dict)
    """Largest resident bytes of each service, its children included."""
    total: int = 0
    """Largest sum at one moment."""
    work: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Experiments analysed by a moment, and the CPU seconds that each service had used."""
    sampled: float = 0.0
    leaves: bool = False
    """Whether to leave once the experiments that were opened here are over, without asking memory what it holds."""

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Note an event; between events, now and then, the memory in use."""
        if envelope is None:
            if time.monotonic() - self.sampled > 1.0:
                self._sample()
            return
        self.said.append(envelope)
        if self.first_run is None and isinstance(envelope.event, RunStarted):
            self.first_run = time.monotonic() - self.begun
        if self.leaves and isinstance(envelope.event, CampaignFinished) and self.first_run:
            raise Seen  # finished before: the budget that makes it go on was not heard yet

    def _sample(self) -> None:
        """Sum what the lab's processes hold resident."""
        self.sampled = time.monotonic()
        now = usage()
        self.total = max(self.total, sum(size for size, _ in now.values()))
        for name, (size, _) in now.items():
            self.memory[name] = max(self.memory.get(name, 0), size)
        analysed = sum(isinstance(said.event, AnalysisReady) for said in self.said)
        self.work.append((analysed, {name: seconds for name, (_, seconds) in now.items()}))

    def cpu_milliseconds(self, after: int = 0) -> dict[str, float]:
        """Return what an experiment cost each service between two looks: once more than `after` were analysed, last."""
        under_way = [look for look in self.work if look[0] > after]
        (first, before), (last, latest) = under_way[0], under_way[-1]
        return {name: round(1000 * (latest[name] - before.get(name, 0.0)) / max(1, last - first), 1) for name in latest}


def usage() -> dict[str, tuple[int, float]]:
    """Return the resident bytes and the CPU seconds of every service below this process, summed over its children."""
    tick = os.sysconf("SC_CLK_TCK")
    parents, sizes, seconds, names = {}, {}, {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            pid = int(folder.name)
            parents[pid], sizes[pid] = int(stat[1]), int(stat[21]) * 4096
            seconds[pid] = (int(stat[11]) + int(stat[12])) / tick
            names[pid] = _name((folder / "cmdline").read_bytes().split(b"\0"))
        except (OSError, IndexError):
            continue
    mine: dict[str, tuple[int, float]] = {}
    for pid, own in sizes.items():
        if service := _service(pid, parents, names):
            size, used = mine.get(service, (0, 0.0))
            mine[service] = size + own, used + seconds[pid]
    return mine


def _name(command: Sequence[bytes]) -> str:
    """Return the service that a command line serves, or nothing."""
    words = [word.decode(errors="replace") for word in command]
    if words and words[0].endswith("nats-server"):
        return "nats-server"
    at = next((i for i, word in enumerate(words) if word == "-m"), None)
    if at is None or len(words) < at + 4 or words[at + 1] not in {"lab.runtime.service", "benchmarks.instant_trainer"}:
        return ""
    return f"{words[at + 2]}-{words[at + 3]}" if words[at + 2] == "trainer" else words[at + 2]


def _service(pid: int, parents: dict[int, int], names: dict[int, str]) -> str:
    """Return the service that a process belongs to, itself or through its parents; nothing in another's lab."""
    service = ""
    while pid in names and pid != os.getpid():
        service = names[pid] or service
        pid = parents[pid]
    return service if pid == os.getpid() else ""


def instant(settings: Settings, home: Home, *, words: bool = False) -> list[Service]:
    """Return a lab whose trainers answer at once and, with `words`, whose memory counts words in place of a model."""
    swapped = {"trainer", "memory"} if words else {"trainer"}

    def swap(service: Service) -> Service:
        role, number = service.command[-2:]
        command = campaign.service_command(role, number, "benchmarks.instant_trainer")
        return replace(service, command=command) if role in swapped else service

    return [swap(service) for service in campaign.lab_services(settings, home)]


def measure(settings: Settings, services: campaign.Services | None = None) -> tuple[Watcher, campaign.RunOutcome]:
    """Run one campaign in a fresh home."""
    with _home() as home:
        watcher = Watcher()
        return watcher, asyncio.run(
            campaign.run_campaign(settings.model_copy(update={"home": home.root}), home, watcher, services)
        )


def go_on(settings: Settings, services: campaign.Services, holding: int) -> Watcher:
    """Run as many experiments as the settings say behind a campaign of so many."""
    with _home() as home:
        here = settings.model_copy(update={"home": home.root})
        asyncio.run(begin_after_past(here, home, holding))
        watcher, more = Watcher(leaves=True), {"experiments": holding + settings.experiments}
        with contextlib.suppress(Seen):
            asyncio.run(campaign.run_campaign(here.model_copy(update=more), home, watcher, services))
        return watcher


@contextlib.contextmanager
def _home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.prepare()
        yield home


def real(experiments: int, trainers: int) -> dict[str, Any]:
    """Measure a campaign on real training."""
    settings = LoadedSettings.load({"experiments": experiments, "trainers": trainers}).settings
    watcher, outcome = measure(settings)
    mib = {name: round(size / 2**20) for name, size in sorted(watcher.memory.items())}
    hops = proposal_latencies(watcher.said)
    return {
        "experiments": len(outcome.experiments),
        "seconds": round(outcome.seconds, 1),
        "first_run_started_seconds": round(watcher.first_run or 0.0, 1),
        "rss_total_mib": round(watcher.total / 2**20),
        "rss_mib": mib,
        "largest_agent_mib": max((size for name, size in mib.items() if name in AGENTS), default=0),
        "completed_to_next_proposal_ms": {"p50": round(statistics.median(hops)), "max": round(max(hops))}
        if hops
        else {},
        "trainers_busy": round(busy(watcher.said, trainers), 3),
        "seconds_per_experiment": round(statistics.median(run_seconds(watcher.said)), 2),
    }


def orchestrator(experiments: int, slots: int, *, words: bool = False, holding: int = 0) -> dict[str, Any]:
    """Measure the chain alone, with `words` without the sentence model, behind a campaign where memory holds one."""
    settings = LoadedSettings.load({"experiments": experiments, "trainers": 1, "slots": slots}).settings
    services = partial(instant, words=words)
    watcher = go_on(settings, services, holding) if holding else measure(settings, services)[0]
    ends = [
        said.time for said in watcher.said if isinstance(said.event, AnalysisReady) and not is_baseline(said.experiment)
    ]
    half = ends[len(ends) // 2 :]
    return {
        "holding": holding,
        "slots": slots,
        "experiments": len(ends),
        "experiments_per_second": paces(ends, 1)[0],
        "by_tenth": paces(ends, 10),
        "second_half_per_second": paces(half, 1)[0],
        "completed_to_next_proposal_p50_ms": round(statistics.median(proposal_latencies(watcher.said)), 1),
        "hops_ms": hops(watcher.said),
        "cpu_ms_per_experiment": watcher.cpu_milliseconds(),
        "second_half_cpu_ms": watcher.cpu_milliseconds(len(half)),
        "rss_mib": {name: round(size / 2**20) for name, size in sorted(watcher.memory.items())},
    }


def paces(ends: Sequence[datetime], parts: int) -> list[float]:
    """Return the experiments a second within each of so many equal parts of a campaign, in order."""
    cuts = [round(part * (len(ends) - 1) / parts) for part in range(parts + 1)]
    spans = [(b - a, (ends[b] - ends[a]).total_seconds()) for a, b in pairwise(cuts) if b > a]
    return [round(count / seconds, 1) for count, seconds in spans if seconds > 0]


def proposal_latencies(said: Sequence[Envelope]) -> list[float]:
    """Return the milliseconds from an experiment's RunCompleted to the next ProposalCreated, by the events' own times.

    A proposal is matched through its causes (ProposalCreated ← ProposalRequested ← AnalysisReady ← RunCompleted), so
    that what is counted is the whole chain and not a neighbour's.
    """
    by_id = {envelope.id: envelope for envelope in said}
    found = []
    for envelope in said:
        if isinstance(envelope.event, ProposalCreated) and not is_baseline(envelope.experiment):
            cause = envelope
            while cause.cause and not isinstance(cause.event, RunCompleted):
                cause = by_id[cause.cause]
            if isinstance(cause.event, RunCompleted):
                found.append(1000 * (envelope.time - cause.time).total_seconds())
    return found


def hops(said: Sequence[Envelope]) -> dict[str, dict[str, float]]:
    """Return the milliseconds from a cause to what was said upon it, by both their types, by the events' own times."""
    by_id = {envelope.id: envelope for envelope in said}
    found: defaultdict[str, list[float]] = defaultdict(list)
    for envelope in said:
        if cause := by_id.get(envelope.cause or ""):
            found[f"{cause.type} to {envelope.type}"].append(1000 * (envelope.time - cause.time).total_seconds())
    return {hop: spread(ms) for hop, ms in sorted(found.items()) if len(ms) > 1}


def spread(ms: Sequence[float]) -> dict[str, float]:
    """Return count, median and 99th percentile."""
    p99 = statistics.quantiles(ms, n=100, method="inclusive")[-1]
    return {"n": len(ms), "p50": round(statistics.median(ms), 1), "p99": round(p99, 1)}


def run_seconds(said: Sequence[Envelope]) -> list[float]:
    """Return the seconds of every completed run."""
    return [envelope.event.seconds for envelope in said if isinstance(envelope.event, RunCompleted)]


def busy(said: Sequence[Envelope], trainers: int) -> float:
    """Return the trainers' share of the wall time from the first start of a run to the last end of one."""
    ends = [envelope for envelope in said if isinstance(envelope.event, RunCompleted)]
    if len(ends) < 2:
        return 0.0
    begun = min(envelope.time.timestamp() - envelope.event.seconds for envelope in ends)  # type: ignore[attr-defined]
    return sum(run_seconds(said)) / (trainers * (ends[-1].time.timestamp() - begun))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=16, help="experiments of the real campaign")
    parser.add_argument("--instant", type=int, default=400, help="experiments of each instant campaign")
    parser.add_argument("--slots", type=int, nargs="*", default=[1, 8, 64], help="slots of the instant campaigns")
    parser.add_argument("--holding", type=int, nargs="*", default=[0], help="experiments that memory holds before")
    parser.add_argument("--words", action="store_true", help="instant campaigns without the sentence model")
    arguments = parser.parse_args()
    figures = {"real": real(arguments.experiments, 2)} if arguments.experiments else {}
    chains = [
        orchestrator(arguments.instant, slots, words=arguments.words, holding=holding)
        for holding in arguments.holding
        for slots in arguments.slots
    ]
    figures |= {"instant": chains}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
