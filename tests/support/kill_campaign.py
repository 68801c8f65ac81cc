"""Campaigns whose processes are killed at random with SIGKILL, and everything that such a campaign leaves.

    killer = RandomKiller(home, seed=1, mean_events=2.5)
    outcome = run_under_kills(killer, experiments=56, slots=8)

All services are the real ones, except that the trainer and the embedder answer at once. `faults_of` in
`tests.support.outcome_faults` holds an outcome against the plan.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats.errors

from bus.delivery.transport import Durable, TransportError
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignFinished, InsightsReady
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.roster import decider_specs
from tests.support.endings import ends
from tests.support.labs import SERVICES, Watch, delete_consumers, kill, run_instant, stored_messages
from tests.support.power_cut import PowerCut, cut_power, lose_tail

SAME_TIME = datetime(2000, 1, 1, tzinfo=UTC)
MIN_KILL_INTERVAL_S = 0.2
SPOILED_DATABASES, DELETED_CONSUMERS, POWER_CUTS = 0.5, 0.15, 0.5
"""Share of memory's deaths after which its file is spoiled, of other deaths after which a consumer is deleted, and of
the server's deaths after which the whole lab dies and the log loses its tail."""


@dataclass
class RandomKiller:
    """Kills a random process of a lab after every few events; its seed determines its choices.

    Kills follow events and not the clock, so that a campaign advances between them on a slow machine too.
    """

    home: Path
    seed: int
    mean_events: float
    """Mean number of events between two kills."""
    kills: Counter[str] = field(default_factory=Counter)
    """Number of kills by process."""
    damages: Counter[str] = field(default_factory=Counter)
    """Number of spoiled databases, of deleted consumers and of lost tails of the log."""
    _events: int = 0
    """Events since the last kill."""
    _newest: int = 0
    """Position of the newest event: after a power cut, the lab reads the older ones again."""
    _next_kill: float = 0.0
    """Number of events after which the next kill is due."""
    _last_kill_s: float = 0.0

    def __post_init__(self) -> None:
        """Seed the random generator."""
        self._random = random.Random(self.seed)

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count an event, and kill a process if a kill is due. Raises PowerCut."""
        if envelope and envelope.seq > self._newest:
            self._events, self._newest = self._events + 1, envelope.seq
        if self._events >= self._next_kill and time.monotonic() - self._last_kill_s > MIN_KILL_INTERVAL_S:
            self._events, self._next_kill = 0, self._random.expovariate(1 / self.mean_events)
            self._kill(may_cut_power=envelope is not None)
            self._last_kill_s = time.monotonic()

    def _kill(self, *, may_cut_power: bool) -> None:
        """Kill one of the processes that run. Only a call with an event may end the campaign's own process."""
        for service in self._random.sample(SERVICES, len(SERVICES)):
            if kill(self.home, service):
                self.kills[service] += 1
                self._damage(service, may_cut_power=may_cut_power)
                return

    def _damage(self, service: str, *, may_cut_power: bool) -> None:
        """After some kills, spoil memory's file while nobody has it open, or delete a consumer of a live server.

        Raises PowerCut after some kills of the server.
        """
        if service == "nats-server" and may_cut_power and self._random.random() < POWER_CUTS:
            cut_power(self.home)
        elif service == "memory" and self._random.random() < SPOILED_DATABASES:
            Home(self.home).database.write_bytes(b"no database" * 1000)
            self.damages["database"] += 1
        elif service != "nats-server" and self._random.random() < DELETED_CONSUMERS:
            durable = self._random.choice([spec.durable for spec in decider_specs().values()])
            assert durable
            threading.Thread(target=self._delete_consumer, args=(durable,)).start()

    def lose_tail(self) -> None:
        """After a power cut, let the log lose its newest messages."""
        self.damages["tail"] += lose_tail(Home(self.home), self._random)

    def _delete_consumer(self, durable: Durable) -> None:
        """Delete a consumer, unless the server is down or the lab is over."""
        with contextlib.suppress(AssertionError, TransportError, nats.errors.Error):
            asyncio.run(delete_consumers(self.home, [durable]))
            self.damages["consumer"] += 1


@dataclass(frozen=True)
class Outcome:
    """The streams of a campaign that has run, as the server stores them, and how the run went."""

    home: Path
    messages: Sequence[StoredMessage]
    """The log as it is stored."""
    log: Sequence[Envelope]
    """The same messages as events."""
    traces: Sequence[bytes]
    dead_letters: int
    seconds: float
    restarts: int
    finished: bool

    def ends(self) -> Counter[str]:
        """Count the events that end each experiment."""
        return ends(self.log)

    def end(self) -> int:
        """Return the position of the last CampaignFinished; the lab may stop before a role reads a later event."""
        endings = (envelope.seq for envelope in self.log if isinstance(envelope.event, CampaignFinished))
        return max(endings, default=len(self.log))

    def comparable_log(self) -> list[Envelope]:
        """Return the log up to the campaign's end, with one time and one instance in place of the recorded ones.

        Insights are left out: analyst and director answer the same analysis, so either may come first, even the end.
        """
        events = [one for one in self.log[: self.end()] if not isinstance(one.event, InsightsReady)]
        return [
            replace(envelope, time=SAME_TIME, source=f"/lab/{envelope.role}/1", seq=seq)
            for seq, envelope in enumerate(events, 1)
        ]


def run_under_kills(killer: RandomKiller, **options: Any) -> Outcome:
    """Run a campaign in the killer's home while it kills processes; after a power cut, run it again."""
    while True:
        try:
            return run_watched(killer.home, killer, **options)
        except PowerCut:
            killer.lose_tail()


def run_undisturbed(home: Path, **options: Any) -> Outcome:
    """Run a campaign without kills."""
    return run_watched(home, lambda *_: None, **options)


def run_watched(home: Path, watch: Watch, **options: Any) -> Outcome:
    """Run a campaign and call `watch` with each of its events."""
    result = run_instant(home, watch, **options)
    messages, traces, letters = asyncio.run(_read_streams(Home(home)))
    log = [decode(stored.payload, stored.seq) for stored in messages]
    payloads = [stored.payload for stored in traces]
    return Outcome(home, messages, log, payloads, len(letters), result.seconds, result.restarts, result.finished)


async def _read_streams(home: Home) -> list[list[StoredMessage]]:
    """Return the log, the traces and the dead letters from the store of a stopped lab."""
    async with server.run_server(home.nats) as url:
        transport = await NatsTransport.connect(url, name="test")
        try:
            return [
                await stored_messages(transport, stream) for stream in (subjects.LOG, subjects.TRACES, subjects.DEAD)
            ]
        finally:
            await transport.close()
