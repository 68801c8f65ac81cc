"""A lab behind the dashboard that consists of a recorded log, and of a bus in memory for what people say."""

import asyncio
import json
import lzma
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.events import LossPoint
from bus.wire import subjects
from bus.wire.envelope import Envelope, decode
from dashboard.history.history import CampaignHistory
from dashboard.history.readings import Readings
from dashboard.server import serving
from dashboard.server.access import Access
from dashboard.server.app import create_app
from dashboard.server.hub import Hub
from dashboard.server.source import ForkRefused, ForkWish, KeyRefused, PersonSpeaker
from lab.client.event_text import event_text
from lab.operations.discovery_records import records

HISTORIES = Path(__file__).parent.parent / "histories"
KEY = "SUAPERSONSKEY"
"""The one key that the recorded lab accepts."""


def golden(name: str) -> list[Envelope]:
    """Return the events of a golden history."""
    lines = lzma.decompress((HISTORIES / f"{name}.jsonl.xz").read_bytes()).splitlines()
    return [decode(line, seq) for seq, line in enumerate(lines, 1)]


class RecordedSpeaker:
    """Publishes on the bus in memory under one person's subject."""

    public_key = "UAPERSONSKEY"

    def __init__(self, bus: MemoryTransport, person: str) -> None:
        self._bus, self._person, self.closed = bus, person, False

    async def say(self, campaign: str, message: Mapping[str, Any]) -> str:
        """Publish a message; see PersonSpeaker."""
        subject = subjects.human_inbox(campaign, self._person)
        await self._bus.publish(subject, json.dumps(message).encode(), f"{subject} {message}")
        return subject

    async def close(self) -> None:
        """Note the end; see PersonSpeaker."""
        self.closed = True


class RecordedForks:
    """A `dashboard.server.source.ForkHost` that notes what people want and starts nothing."""

    def __init__(self) -> None:
        self.forks: list[dict[str, Any]] = []

    def listed(self) -> Mapping[str, Any]:
        """Return the forks; see ForkHost."""
        return {"home": "/labs/one", "at_once": 1, "policies": ["aging", "random"], "forks": self.forks}

    async def start(self, wish: ForkWish, speaker: PersonSpeaker) -> str:
        """Note one fork at a time; see ForkHost. Raises ForkRefused."""
        assert speaker.public_key == RecordedSpeaker.public_key
        if any(fork["state"] == "running" for fork in self.forks):
            raise ForkRefused("1 may run at once, and so many do; hint: stop one, or wait")
        name, page = f"at-{wish.at}", "http://127.0.0.1:8038/"
        told = {
            "name": name,
            "home": f"/labs/one/forks/{name}",
            "by": "ada",
            "started": 1.7e9,
            "said": "report: r.html",
        }
        self.forks.insert(0, wish.model_dump() | told | {"state": "running", "page": page})
        return name

    async def stop(self, name: str, speaker: PersonSpeaker) -> None:
        """Note the end; see ForkHost. Raises ForkRefused."""
        assert speaker.public_key == RecordedSpeaker.public_key
        found = [fork for fork in self.forks if fork["name"] == name and fork["state"] == "running"]
        if not found:
            raise ForkRefused("this fork does not run")
        found[0] |= {"state": "ended", "page": ""}


class RecordedLab:
    """A `dashboard.server.source.LabSource` over recorded events; `add` lets one more happen."""

    def __init__(self, envelopes: Iterable[Envelope], forks: RecordedForks | None = None) -> None:
        self.forks = forks
        self.events = list(envelopes)
        self.history = CampaignHistory(self.events[0].campaign if self.events else "", event_text)
        self.readings, self.hub, self.bus = Readings(), Hub(), MemoryTransport()
        self.speakers: list[RecordedSpeaker] = []
        self.checked: list[str] = []
        self.more_vitals: dict[str, Any] = {}
        self.scores: dict[str, float] = {}
        self._by_experiment: defaultdict[str, list[Envelope]] = defaultdict(list)
        for envelope in self.events:
            self.history.append(envelope)
            self.hub.remember(envelope)
            self._by_experiment[envelope.experiment].append(envelope)

    def add(self, envelope: Envelope) -> None:
        """Let an event happen."""
        self.events.append(envelope)
        self._by_experiment[envelope.experiment].append(envelope)
        self.history.append(envelope)
        self.hub.publish(envelope)

    def lose(self, point: LossPoint) -> None:
        """Let a run report a loss."""
        self.readings.add(point)

    def vitals(self) -> Mapping[str, Any]:
        """Return vitals; see LabSource."""
        runs = self.readings.progress
        quiet = {"services": [], "absent": [], "silent": False, "read": 1.0, "per_minute": 3, "seconds_left": 75.0}
        losses = {run: self.readings.newest(run) for run in runs}
        forks = self.forks and self.forks.listed()
        return quiet | {"progress": dict(runs), "losses": losses, "forks": forks} | self.more_vitals

    def standing(self) -> Mapping[str, Any]:
        """Return memory's answer; see LabSource."""
        return {"at": self.history.last, "scores": self.scores, "guidance": ["keep the state small"]}

    async def events_of(self, experiment: str) -> Sequence[Envelope]:
        """Return the events about an experiment; see LabSource."""
        return self._by_experiment.get(experiment, [])

    async def event_at(self, seq: int) -> Envelope | None:
        """Return an event; see LabSource."""
        return next((envelope for envelope in self.events if envelope.seq == seq), None)

    async def discovery(self, at: int) -> Mapping[str, Any]:
        """Return memory's answer; see LabSource."""
        return records(self.events, self.history.campaign, [at or self.history.last])[0] if self.events else {}

    async def spending(self, at: int) -> Mapping[str, Any]:
        """Return memory's answer; see LabSource."""
        return (await self.discovery(at)).get("spending", {})

    async def report(self) -> str:
        """Return a report; see LabSource."""
        return "<!doctype html>\n<p>the report</p>\n"

    async def check(self, source: str) -> Mapping[str, Any]:
        """Return a verdict; see LabSource."""
        self.checked.append(source)
        return {"verdict": "passed" if "class" in source else "no_mixer", "stage": "static", "evidence": "as recorded"}

    async def sign_in(self, person: str, key: str) -> PersonSpeaker:
        """Connect with the one key; see LabSource. Raises KeyRefused."""
        if key != KEY:
            raise KeyRefused("the lab's server does not accept this key")
        self.speakers.append(RecordedSpeaker(self.bus, person))
        return self.speakers[-1]


@contextmanager
def served(lab: RecordedLab, access: Access | None = None) -> Iterator[str]:
    """Serve a recorded lab on a free port in a thread of its own, and yield the page's address."""
    listener = serving.listen("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    app = create_app(lab, access or Access(local=True))
    work = loop.create_task(serving.serve(app, listener, lab.hub))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.gather(work, return_exceptions=True)))
    port = listener.getsockname()[1]
    listener.listen()
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", port), 10):
            yield f"http://127.0.0.1:{port}/"
    finally:
        loop.call_soon_threadsafe(work.cancel)
        thread.join(20)
        loop.close()
