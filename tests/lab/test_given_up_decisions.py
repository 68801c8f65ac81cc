"""The director gives up its decision on the end of the last experiment, and the campaign still ends."""

import asyncio
import json
from pathlib import Path

import pytest

from bus.vocabulary.events import CampaignFinished, CampaignPaused
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.runtime.campaign import RunOutcome
from lab.runtime.supervisor import Service
from lab.settings import Settings
from tests.support.labs import instant, move37, run_instant

LAST_EXPERIMENT = "e0002"
LAST_ENDS = ",".join(f"{kind}:{LAST_EXPERIMENT}" for kind in ("AnalysisReady", "CodeFailed", "ProposalRejected"))


class Person:
    """Runs one command once the campaign is paused and the director's dead letters are published."""

    def __init__(self, home: Path, command: list[str], letters: int) -> None:
        self._home, self._command, self._letters = home, command, letters
        self.acting: asyncio.Future[str] | None = None
        self.endings: list[CampaignFinished] = []

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Start the command, and collect the ends of the campaign."""
        if envelope and isinstance(envelope.event, CampaignPaused) and self._command:
            self.acting = asyncio.ensure_future(asyncio.to_thread(self._act))
        if envelope and isinstance(envelope.event, CampaignFinished):
            self.endings.append(envelope.event)

    def _act(self) -> str:
        """Wait for the dead letters, then run the command."""
        while len(move37("dead", "list", "--home", str(self._home), "--json").splitlines()) < self._letters:
            pass
        return move37(*self._command, "--home", str(self._home))


def campaign(home: Path, person: Person, failing: str, monkeypatch: pytest.MonkeyPatch) -> RunOutcome:
    """Run a campaign of two experiments and one slot; its director fails on the events that `failing` names."""
    monkeypatch.setenv("FAILING_EVENTS", failing)

    def services(settings: Settings, lab_home: Home) -> list[Service]:
        return instant(settings, lab_home, "tests.support.failing_service", {"memory", "trainer", "director"})

    return run_instant(home, person, services, experiments=2, slots=1)


def test_the_pause_after_a_failure_ends_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead letter stays; a retry of it is refused, and the error says what to do instead."""
    person = Person(tmp_path, [], 0)
    outcome = campaign(tmp_path, person, LAST_ENDS, monkeypatch)
    assert outcome.finished
    assert [ending.reason for ending in person.endings] == ["budget_spent"]
    (letter,) = map(json.loads, move37("dead", "list", "--home", str(tmp_path), "--json").splitlines())
    assert letter["said"] == ["CampaignPaused"]
    assert "move37 say resume" in move37("dead", "retry", str(letter["id"]), "--home", str(tmp_path), code=1)


@pytest.mark.parametrize(
    "command", [["say", "stop"], ["say", "resume"], ["say", "budget 2"], ["dead", "retry", "--all"]]
)
def test_if_the_pause_fails_too_a_person_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Any message ends it, and so does a retry of the letters."""
    person = Person(tmp_path, command, 2)
    outcome = campaign(tmp_path, person, f"{LAST_ENDS},CampaignPaused", monkeypatch)
    assert outcome.finished
    assert person.acting is not None
    assert person.acting.done()
    assert [(ending.reason, ending.analysed + ending.failed + ending.rejected) for ending in person.endings] == [
        ("budget_spent", 8)
    ]
