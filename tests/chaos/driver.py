"""Kills random processes of a campaign with SIGKILL, and holds what is left against what must be.

A `Monkey` looks on as a screen does and kills by its seed. `examine` then reads the streams themselves:

- nothing lost: every experiment of the plan has exactly one end (analysed, given up or rejected), as without faults;
- nothing done twice: no two events of the log share an id, and no subject that is allowed once has a second event;
- memory: what lived through the kills has the digest of a fresh one that reads the log (law 1);
- decisions: every role, replayed on the log and its traces, decides as recorded (law 2);
- the chain of hashes covers the log to its end, and no letter is among the dead.

With one slot there is more: each event has one successor, so a campaign is one sequence whatever is killed. Its log is
then compared with that of the campaign without faults, position by position: id (hence the whole causal tree), subject
and data. Left out are the envelope's time and the instance that spoke, since a clock and a process are what a fault
changes; with both set alike, the two memories have one digest.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bus.audit import chain
from bus.delivery.replay import replay_role
from bus.delivery.traces import read_traces
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignFinished
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.operations import replay
from lab.runtime import campaign
from lab.runtime.supervisor import Service
from lab.settings import LoadedSettings, Settings
from memory.store import Store
from tests.support.endings import ends
from tests.support.labs import kill

SERVICES = ("memory", "director", "researcher", "engineer", "analyst", "desk", "trainer", "nats-server")
ROLES = ("director", "researcher", "engineer", "analyst")
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
BREATH = 0.2
"""Seconds between two kills at least."""


@dataclass
class Monkey:
    """Kills a random service after every few events, so that a slow machine is not killed faster than it works."""

    home: Path
    seed: int
    every: float
    """Mean number of events between two kills."""
    kills: Counter[str] = field(default_factory=Counter)
    _wait: float = 0.0
    _seen: int = 0
    _last: float = 0.0

    def __post_init__(self) -> None:
        """Take up the dice."""
        self._dice = random.Random(self.seed)

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Look on, and kill when it is time."""
        if envelope is not None:
            self._seen += 1
        if self._seen >= self._wait and time.monotonic() - self._last > BREATH:
            self._seen, self._wait = 0, self._dice.expovariate(1 / self.every)
            self._kill()
            self._last = time.monotonic()

    def _kill(self) -> None:
        """Kill a service that lives."""
        for victim in self._dice.sample(SERVICES, len(SERVICES)):
            if kill(self.home, victim):
                self.kills[victim] += 1
                return


@dataclass(frozen=True)
class Aftermath:
    """What a campaign left behind."""

    home: Path
    messages: Sequence[StoredMessage]
    log: Sequence[Envelope]
    traces: Sequence[bytes]
    letters: int
    seconds: float
    restarts: int
    finished: bool

    def ends(self) -> Counter[str]:
        """Count the events that end each experiment."""
        return ends(self.log)

    def end(self) -> int:
        """Return where the campaign is said to be over: what a role says after that, nobody may be there to read."""
        return max((said.seq for said in self.log if isinstance(said.event, CampaignFinished)), default=len(self.log))

    def timeless(self) -> list[Envelope]:
        """Return the log up to the campaign's end without when and by which process each event was said."""
        return [replace(said, time=NEVER, source=f"/lab/{said.role}/1") for said in self.log[: self.end()]]


def services(settings: Settings, home: Home) -> list[Service]:
    """Return a lab whose trainer and embedder answer at once."""
    return [
        Service(one.name, campaign.service_command(role, instance, "tests.support.instant_service"), one.env)
        if (role := one.command[-2]) in {"trainer", "memory"} and (instance := one.command[-1])
        else one
        for one in campaign.lab_services(settings, home)
    ]


def endure(root: Path, monkey: Monkey | None = None, **given: Any) -> Aftermath:
    """Run a campaign, under a monkey where there is one, and return what it left."""
    home = Home(root)
    home.prepare()
    settings = LoadedSettings.load({"home": root, "trainers": 1, **given}).settings
    outcome = asyncio.run(campaign.run_campaign(settings, home, monkey or (lambda *_: None), services))
    log, traces, letters = asyncio.run(_streams(home))
    said = [decode(stored.payload, stored.seq) for stored in log]
    payloads = [stored.payload for stored in traces]
    return Aftermath(root, log, said, payloads, len(letters), outcome.seconds, outcome.restarts, outcome.finished)


async def _streams(home: Home) -> list[list[StoredMessage]]:
    """Return the log, the traces and the dead letters as the server's store has them."""
    async with server.run_server(home.nats) as url:
        transport = await NatsTransport.connect(url, name="examiner")
        try:
            return [await _whole(transport, stream) for stream in (subjects.LOG, subjects.TRACES, subjects.DEAD)]
        finally:
            await transport.close()


async def _whole(transport: NatsTransport, stream: str) -> list[StoredMessage]:
    """Return every message of a stream."""
    end, found = await transport.last_seq(stream), list[StoredMessage]()
    if end:
        async for batch in transport.follow(stream, 0):
            found += batch
            if found[-1].seq >= end:
                break
    return found


def examine(left: Aftermath, reference: Aftermath, *, one_slot: bool = False) -> list[str]:
    """Return everything that is not as it must be, a line each."""
    twice = [name for name, count in Counter(said.id for said in left.log).items() if count > 1]
    once = Counter(stored.subject for stored, said in zip(left.messages, left.log, strict=True) if said.event.once)
    again = [subject for subject, count in once.items() if count > 1]
    wrong = {name: count for name, count in left.ends().items() if count != 1}
    lost = reference.ends().keys() ^ left.ends().keys()
    checks = {
        "the campaign did not finish": not left.finished,
        f"ids said twice: {twice[:3]}": twice,
        f"said twice where once is allowed: {again[:3]}": again,
        f"experiments with several ends: {wrong}": wrong,
        f"experiments lost or made up: {sorted(lost)[:5]}": lost,
        f"{left.letters} dead letters": left.letters,
        **dict.fromkeys(_memory(left) + _chain(left) + _decisions(left), True),
    }
    if one_slot:
        checks |= dict.fromkeys(_differences(left.timeless(), reference.timeless()), True)
    return [text for text, failed in checks.items() if failed]


def _memory(left: Aftermath) -> list[str]:
    """Compare the memory that lived through it with a fresh one."""
    with Store(Home(left.home).database, read_only=True) as store:
        position, digest = store.position, store.digest()
    fresh = replay.rebuild([said for said in left.log if said.seq <= position])
    late = [f"memory stopped at {position} of {len(left.log)}"] if position < left.end() else []
    return late + ([] if fresh["digest"] == digest else ["memory differs from one rebuilt from the log"])


def _chain(left: Aftermath) -> list[str]:
    """Verify the chain up to the end of the campaign."""
    verdict = chain.verify_chain(list(chain.read_chain(Home(left.home).chain)), left.messages)
    if verdict.first_difference is None and verdict.matched >= left.end():
        return []
    return [f"the chain covers {verdict.matched} of {len(left.messages)}; {verdict.first_difference} {verdict.detail}"]


def _decisions(left: Aftermath) -> list[str]:
    """Replay every role."""
    traces = read_traces(left.traces)
    return [
        f"{name}: {difference}"
        for name in ROLES
        for _, difference in replay_role(replay.build_role(name, traces), left.log, traces)
        if difference is not None
    ][:3]


def _differences(log: Sequence[Envelope], reference: Sequence[Envelope]) -> list[str]:
    """Return the first position at which two logs differ, and whether the memories that read them do."""
    pairs = enumerate(zip_longest(log, reference), 1)
    differs = next(
        (f"position {seq}: {one!s:.300} instead of {other!s:.300}" for seq, (one, other) in pairs if one != other), ""
    )
    digests = {replay.rebuild(one)["digest"] for one in (log, reference)}
    return [text for text, failed in ((differs, differs), ("two digests", len(digests) > 1)) if failed]


def tell(left: Aftermath, monkey: Monkey, faults: Sequence[str]) -> str:
    """Return a run's line."""
    return json.dumps(
        {
            "seed": monkey.seed,
            "experiments": len(left.ends()),
            "events": len(left.log),
            "kills": sum(monkey.kills.values()),
            "by_service": dict(sorted(monkey.kills.items())),
            "restarts": left.restarts,
            "seconds": round(left.seconds, 1),
            "faults": list(faults),
        }
    )
