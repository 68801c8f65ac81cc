"""A conversation with a running lab, typed into a pipe as a person would type it into a terminal."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bus.vocabulary.events import HumanMessage
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.errors import LabError
from lab.settings import LoadedSettings
from lab.terminal.chat import parse_line
from tests.support.labs import ROOT, move37, run_instant

TYPED = """how is base-gla doing?
prefer gates with a bias
/hum a song
/veto base-retnet it is dull
/restore base-retnet it is not

/pause I think
/resume
/budget 300
"""


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("prefer gates", {"kind": "steer", "text": "prefer gates"}),
        ("how is it going?", {"kind": "ask", "text": "how is it going?"}),
        ("/steer is this a question?", {"kind": "steer", "text": "is this a question?"}),
        ("/ask the best one", {"kind": "ask", "text": "the best one"}),
        ("/veto e0003", {"kind": "veto", "target": "e0003", "text": ""}),
        ("/veto e0003 too wide", {"kind": "veto", "target": "e0003", "text": "too wide"}),
        ("/restore e0003", {"kind": "restore", "target": "e0003", "text": ""}),
        ("/pause", {"kind": "pause", "text": ""}),
        ("/resume now", {"kind": "resume", "text": "now"}),
        ("/stop", {"kind": "stop", "text": ""}),
        ("/budget 40", {"kind": "budget", "text": "40"}),
    ],
)
def test_a_line_is_read_as_words_for_the_desk(typed: str, words: dict[str, Any]) -> None:
    """A slash names the kind; without one a question mark does."""
    assert parse_line(typed) == words


@pytest.mark.parametrize("typed", ["/veto", "/restore", "/budget many", "/budget", "/hum", "/steer", "/", "/propose x"])
def test_a_line_that_says_nothing_is_told_so(typed: str) -> None:
    """Nothing is published that the desk would refuse."""
    with pytest.raises(LabError):
        parse_line(typed)


class Chat:
    """Starts a chat when the first result is there, and stops the campaign when the chat has ended."""

    def __init__(self, folder: Path) -> None:
        self.home, self.out = folder / "home", folder / "out.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.heard: list[HumanMessage] = []
        self.stopping: asyncio.Future[str] | None = None
        (folder / "typed.txt").write_text(TYPED)

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        if envelope and isinstance(envelope.event, HumanMessage):
            self.heard.append(envelope.event)
        if self.process is None and view.counts["AnalysisReady"]:
            with (self.home.parent / "typed.txt").open() as typed, self.out.open("wb") as out:
                command = [sys.executable, "-m", "lab.cli", "chat", "--home", str(self.home)]
                self.process = subprocess.Popen(command, stdin=typed, stdout=out, stderr=out, cwd=ROOT)
        if self.stopping is None and self.process and self.process.poll() is not None:
            settings = LoadedSettings.load({"home": self.home}).settings
            self.stopping = asyncio.ensure_future(publish_message(settings, {"kind": "stop", "text": "enough"}))


def test_what_is_typed_is_heard_and_answered(tmp_path: Path) -> None:
    """Every kind becomes a fact in its order, the answer is shown, and the chat ends with its input."""
    chat = Chat(tmp_path)
    assert run_instant(chat.home, chat, experiments=250, slots=2).finished
    assert chat.process
    told = chat.out.read_text()
    assert chat.process.returncode == 0, told
    kinds = ["ask", "steer", "veto", "restore", "pause", "resume", "budget", "stop"]
    assert [message.kind for message in chat.heard] == kinds
    assert chat.heard[2].target == chat.heard[3].target == "base-retnet"
    assert "The campaign is running" in told
    assert "base-gla" in told
    assert "base-retnet: it is in the pool again." in told
    for line in (
        "says (steer): prefer gates with a bias",
        "says (veto base-retnet): it is dull",
        "says (pause): I think",
    ):
        assert line in told
    assert "no such word: /hum" in told


def test_a_stopped_lab_has_nobody_to_talk_with(tmp_path: Path) -> None:
    """One line that says what to do."""
    assert "leave it a word with `move37 say`" in move37("chat", "--home", str(tmp_path), code=1)
