"""`move37 say` to a running lab: the reply is printed, and what the lab does not take is an error."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.vocabulary.events import ProposalRequested
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.settings import LoadedSettings
from tests.support.labs import ROOT, move37, publish_as_admin, run_instant

SAID = (["no sliding window"], ["pause"], ["veto e9999"], ["more gates", "--no-wait"], ["withdraw", "--json"])
TRIED_FOR_S = 15.0
"""Seconds after which the desk has given up a message to a campaign that memory does not know."""


class Speaker:
    """Says one thing after another once the first baseline is analysed, and stops the campaign after the last."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[str] | None = None
        self.heard: list[tuple[int, str, str]] = []
        self.wishes: list[object] = []
        self.pending: list[asyncio.Future[object]] = []
        self.lost_at = 0.0

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        if envelope and isinstance(envelope.event, ProposalRequested) and envelope.event.wish:
            self.wishes.append(envelope.event.wish)
        if self.process and self.process.poll() is not None:
            self.heard.append((self.process.returncode, *self.process.communicate()))
            self.process = None
        elif self.process or not view.counts["AnalysisReady"]:
            return
        if not self.pending:  # the desk tries it for some time, since memory might be behind
            lost = {"lab.human.another-lab": b"more gates"}
            self.pending.append(asyncio.ensure_future(publish_as_admin(self.home, lost)))
            self.lost_at = time.monotonic()
        if len(self.heard) < len(SAID):
            command = [sys.executable, "-m", "lab.cli", "say", *SAID[len(self.heard)], "--home", str(self.home)]
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
        elif len(self.pending) == 1 and time.monotonic() - self.lost_at > TRIED_FOR_S:
            settings = LoadedSettings.load({"home": self.home}).settings
            self.pending.append(asyncio.ensure_future(publish_message(settings, {"kind": "stop", "text": "enough"})))


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    """Return a person who has spoken to a lab that has ended."""
    speaker = Speaker(tmp_path_factory.mktemp("spoken") / "home")
    assert run_instant(speaker.home, speaker, experiments=400, slots=2).finished
    for sent in speaker.pending:
        sent.result()
    return speaker


def test_the_reply_is_printed(speaker: Speaker) -> None:
    """It says what was understood; with --no-wait nothing is printed, and with --json it is a field."""
    wish, pause, veto, quick, withdrawal = speaker.heard
    assert wish[0] == 0, wish
    assert 'ruled out: "sliding window"' in wish[1]
    assert pause[1].startswith("The campaign pauses")
    assert veto[0] == 1
    assert "there is no experiment e9999" in veto[2]
    assert (quick[0], quick[1]) == (0, "")
    assert json.loads(withdrawal[1])["reply"].startswith("Withdrawn: more gates. Still in force: no sliding window")


def test_slots_carry_the_wish(speaker: Speaker) -> None:
    """The director reads it from the guidance in force."""
    assert speaker.wishes
    assert all("path:window" in str(wish) for wish in speaker.wishes)


def test_what_could_not_be_taken_is_a_dead_letter(speaker: Speaker) -> None:
    """A message to an unknown campaign too, of which the log holds nothing."""
    letters = [json.loads(line) for line in move37("dead", "list", "--home", str(speaker.home), "--json").splitlines()]
    reasons = [letter["reason"] for letter in letters]
    assert any("no experiment e9999" in reason for reason in reasons)
    assert any("no campaign another-lab" in reason for reason in reasons)
    assert "another-lab" not in move37("events", "--home", str(speaker.home), "--json")
