"""Records the golden histories again: `python -m tests.histories.record [NAME ...]`.

Each is a campaign of a real lab: its processes, its server, its durable messages. The trainers of `normal`, `crash` and
`model` answer at once, since training is not their point. The others train in the jail, on a rung of a few steps. The
model of `model` is a local endpoint of the OpenAI protocol, asked through AutoGen as any other (`thinker`). The index
holds the digest that memory had when the campaign ended, so that a rebuilt memory is compared with a live one.

Record the histories again if a role is meant to decide otherwise, or memory to hold something else. The difference in
`index.json` and the replays then show what changed.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.home import Home
from lab.observability import logs
from lab.operations import log_export, replay
from lab.runtime import campaign
from lab.settings import LoadedSettings
from memory.store import Store
from tests.histories import archive
from tests.support.labs import instant, kill, run_instant, tiny
from tests.support.scripted_model import ScriptedModel
from tests.support.thinker import BROKEN, Thinker
from tests.support.tiny_runs import add_to_training

NOT_FINITE = add_to_training("y = y * float('nan')")
ENDLESS = add_to_training("while True: pass")
Act = Iterator[dict[str, Any] | str]
"""Messages of a person, or names of services to kill."""


@dataclass(frozen=True)
class History:
    """A campaign to record."""

    about: str
    services: campaign.Services
    acts: Callable[[Envelope], Act]
    """Returns what happens after an event."""
    settings: dict[str, Any] = field(default_factory=dict)
    model: bool = False
    """Whether the agents use a language model."""


def no_acts(_: Envelope) -> Act:
    """Do nothing."""
    yield from ()


def broken_proposals(envelope: Envelope) -> Act:
    """Propose architectures with faults that the static check finds, the gates find, or both."""
    if envelope.type == "CampaignStarted":
        for name in ("missing_colon", "missing_functional", "no_mask", "two_faults"):
            yield {"kind": "propose", "source": (BROKEN / f"{name}.txt").read_text(), "text": f"as I wrote it: {name}"}


def not_finite(envelope: Envelope) -> Act:
    """Propose an architecture whose loss becomes NaN in training."""
    if envelope.type == "CampaignStarted":
        yield {"kind": "propose", "source": NOT_FINITE, "text": "an untamed gate"}


def person(envelope: Envelope) -> Act:
    """Propose, veto the run while it trains, veto a baseline, steer and ask."""
    if envelope.type == "CampaignStarted":
        yield {"kind": "propose", "source": ENDLESS, "text": "it thinks deeply"}
        yield {"text": "try the delta rule"}
    if envelope.type == "RunStarted" and envelope.experiment.startswith("h-"):
        yield {"kind": "veto", "target": envelope.experiment, "text": "it does not end"}
    if envelope.type == "AnalysisReady" and envelope.experiment == "base-gla":
        yield {"text": "veto base-gla"}
        yield {"text": "how is base-gla doing?"}


def question(envelope: Envelope) -> Act:
    """Ask about a baseline."""
    if envelope.type == "AnalysisReady" and envelope.experiment == "base-gla":
        yield {"text": "how is base-gla doing?"}


def deaths(envelope: Envelope) -> Act:
    """Kill a process every 25 events."""
    if envelope.seq % 25 == 0:
        victims = ("researcher", "trainer", "engineer", "memory", "analyst", "nats-server", "director")
        yield victims[(envelope.seq // 25 - 1) % len(victims)]


HISTORIES = {
    "normal": History("nothing but a campaign", instant, no_acts, {"experiments": 8, "slots": 2}),
    "self-revision": History(
        "faulty proposals that are repaired", tiny, broken_proposals, {"experiments": 2, "slots": 2}
    ),
    "anomaly": History("a run that the monitor stops", tiny, not_finite, {"experiments": 2, "slots": 2}),
    "veto": History("a person stops a run, and asks", tiny, person, {"experiments": 3, "slots": 1}),
    "model": History("the agents use a language model", instant, question, {"experiments": 6, "slots": 2}, model=True),
    "crash": History("processes killed with SIGKILL", instant, deaths, {"experiments": 8, "slots": 2}),
}


@contextmanager
def _model(history: History) -> Iterator[dict[str, Any]]:
    """Serve the model of a history that uses one, and yield the settings that name it."""
    if not history.model:
        yield {}
        return
    model = ScriptedModel()
    model.default_step = Thinker()
    try:
        yield {"llm": {"base_url": model.url, "model": "scripted"}}
    finally:
        model.close()


def record(name: str) -> str:
    """Record a history and return a line about it."""
    history, killed = HISTORIES[name], list[str]()
    with tempfile.TemporaryDirectory() as folder, _model(history) as llm:
        home, log = Path(folder) / "home", Path(folder) / "log.jsonl"
        settings, messages = LoadedSettings.load({"home": home}).settings, list[asyncio.Future[str]]()

        def watch(_: CampaignView, envelope: Envelope | None) -> None:
            for act in history.acts(envelope) if envelope else ():
                if isinstance(act, dict):
                    messages.append(asyncio.ensure_future(publish_message(settings, act | {"by": "Ada"})))
                elif kill(home, act):
                    killed.append(act)

        assert run_instant(home, watch, history.services, **history.settings, **llm).finished
        asyncio.run(log_export.export_log(settings, log))
        envelopes = replay.read_history(log)
        with Store(Home(home).database, read_only=True) as store:
            position, digest = store.position, store.digest()
        assert replay.rebuild(envelopes[:position])["digest"] == digest
        facts = {
            "about": history.about,
            "events": len(envelopes),
            "position": position,
            "digest": digest,
            "killed": killed,
        }
        size = archive.pack(log, name)
    archive.add_to_index(name, facts)
    return f"{name}: {len(envelopes)} events, {size} bytes, killed {killed}"


if __name__ == "__main__":
    logs.configure(level=50)
    for name in sys.argv[1:] or HISTORIES:
        print(record(name), flush=True)
