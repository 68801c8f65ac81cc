"""A veto of an experiment that runs: heard over the bus by a real trainer, which stops the run."""

import asyncio
from pathlib import Path
from typing import Any

from bus.vocabulary.events import CodeFailed, RunFailed
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.settings import LoadedSettings
from tests.support.labs import run_instant, tiny
from tests.support.tiny_runs import in_training

ENDLESS = in_training("while True: pass")


class Person:
    """Proposes an architecture whose training never ends, and vetoes it once it has begun."""

    def __init__(self, home: Path) -> None:
        self.settings = LoadedSettings.load({"home": home}).settings
        self.said: list[Envelope] = []
        self.words: list[asyncio.Future[str]] = []

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        if envelope is None:
            return
        self.said.append(envelope)
        if envelope.type == "CampaignStarted":
            self.say(kind="propose", source=ENDLESS, text="it thinks deeply")
        elif envelope.type == "RunStarted" and envelope.experiment.startswith("h-"):
            self.say(kind="veto", target=envelope.experiment, text="enough")

    def say(self, **words: Any) -> None:
        self.words.append(asyncio.ensure_future(publish_message(self.settings, {**words, "by": "Ada"})))


def test_a_vetoed_run_is_stopped_and_not_repaired(tmp_path: Path) -> None:
    """The log has the word, the run's end by it, and the experiment's; the campaign goes on to its own."""
    person = Person(tmp_path)
    outcome = run_instant(tmp_path, person, tiny, experiments=0, slots=2)
    assert outcome.finished
    its = [one for one in person.said if one.experiment.startswith("h-")]
    assert [one.type for one in its] == ["ProposalCreated", "RunRequested", "RunStarted", "RunFailed", "CodeFailed"]
    failed, given_up = its[3].event, its[4].event
    assert isinstance(failed, RunFailed)
    assert isinstance(given_up, CodeFailed)
    assert (failed.stage, failed.reason) == ("train", "vetoed")
    assert (given_up.reason, given_up.final) == ("vetoed", True)
    word = next(one for one in person.said if one.type == "HumanMessage" and one.event.kind == "veto")  # type: ignore[attr-defined]
    assert word.seq < its[3].seq
    assert outcome.standing.analysed == 6
