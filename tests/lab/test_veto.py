"""A veto of a running experiment: a real trainer reads it from the bus and stops the run."""

import asyncio
from pathlib import Path
from typing import Any

from bus.vocabulary.events import CodeFailed, RunFailed
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.settings import LoadedSettings
from tests.support.labs import run_instant, tiny
from tests.support.tiny_runs import add_to_training

ENDLESS = add_to_training("while True: pass")


class Vetoer:
    """Proposes an architecture whose training never ends, and vetoes it once it trains."""

    def __init__(self, home: Path) -> None:
        self.settings = LoadedSettings.load({"home": home}).settings
        self.log: list[Envelope] = []
        self.messages: list[asyncio.Future[str]] = []

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        if envelope is None:
            return
        self.log.append(envelope)
        if envelope.type == "CampaignStarted":
            self.say(kind="propose", source=ENDLESS, text="it thinks deeply")
        elif envelope.type == "RunStarted" and envelope.experiment.startswith("h-"):
            self.say(kind="veto", target=envelope.experiment, text="enough")

    def say(self, **message: Any) -> None:
        self.messages.append(asyncio.ensure_future(publish_message(self.settings, {**message, "by": "Ada"})))


def test_a_vetoed_run_is_stopped_and_not_repaired(tmp_path: Path) -> None:
    """The log has the message, the failed run and the failed experiment; the campaign continues to its end."""
    person = Vetoer(tmp_path)
    outcome = run_instant(tmp_path, person, tiny, experiments=0, slots=2, baselines=("gla", "retnet"))
    assert outcome.finished
    events = [one for one in person.log if one.experiment.startswith("h-")]
    assert [one.type for one in events] == ["ProposalCreated", "RunRequested", "RunStarted", "RunFailed", "CodeFailed"]
    run_failed, code_failed = events[3].event, events[4].event
    assert isinstance(run_failed, RunFailed)
    assert isinstance(code_failed, CodeFailed)
    assert (run_failed.stage, run_failed.reason) == ("train", "vetoed")
    assert (code_failed.reason, code_failed.final) == ("vetoed", True)
    message = next(one for one in person.log if one.type == "HumanMessage" and one.event.kind == "veto")  # type: ignore[attr-defined]
    assert message.seq < events[3].seq
    assert outcome.results.status.analysed == 2
