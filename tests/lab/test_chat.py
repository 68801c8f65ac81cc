"""A chat with a running lab, with a person's lines piped into its input."""

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
stopp
/withdraw
/hum a song
/veto base-retnet it is dull
/restore base-retnet it is not

/pause I think
/resume
/budget 300
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("prefer gates", {"text": "prefer gates"}),
        ("how is it going?", {"text": "how is it going?"}),
        ("/withdraw gates", {"kind": "withdraw", "text": "gates"}),
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
def test_a_line_becomes_a_message_for_the_desk(line: str, message: dict[str, Any]) -> None:
    """A slash command names the kind; the desk finds out that of any other line."""
    assert parse_line(line) == message


@pytest.mark.parametrize("line", ["/veto", "/restore", "/budget many", "/budget", "/hum", "/steer", "/", "/propose x"])
def test_a_line_that_is_no_message_is_refused(line: str) -> None:
    """A message that the desk would refuse is not published."""
    with pytest.raises(LabError):
        parse_line(line)


class Chat:
    """Starts a chat after the first analysis, and stops the campaign when the chat has ended."""

    def __init__(self, folder: Path) -> None:
        self.home, self.out = folder / "home", folder / "out.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.messages: list[HumanMessage] = []
        self.stopping: asyncio.Future[str] | None = None
        (folder / "typed.txt").write_text(TYPED)

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        if envelope and isinstance(envelope.event, HumanMessage):
            self.messages.append(envelope.event)
        if self.process is None and view.counts["AnalysisReady"]:
            with (self.home.parent / "typed.txt").open() as lines, self.out.open("wb") as out:
                command = [sys.executable, "-m", "lab.cli", "chat", "--home", str(self.home)]
                self.process = subprocess.Popen(command, stdin=lines, stdout=out, stderr=out, cwd=ROOT)
        if self.stopping is None and self.process and self.process.poll() is not None:
            settings = LoadedSettings.load({"home": self.home}).settings
            self.stopping = asyncio.ensure_future(publish_message(settings, {"kind": "stop", "text": "enough"}))


def test_typed_lines_become_events_and_are_answered(tmp_path: Path) -> None:
    """Every message becomes an event in its order, the answer is printed, and the chat ends with its input."""
    chat = Chat(tmp_path)
    assert run_instant(chat.home, chat, experiments=250, slots=2).finished
    assert chat.process
    output = chat.out.read_text()
    assert chat.process.returncode == 0, output
    kinds = ["ask", "steer", "withdraw", "veto", "restore", "pause", "resume", "budget", "stop"]
    assert [message.kind for message in chat.messages] == kinds
    assert chat.messages[3].target == chat.messages[4].target == "base-retnet"
    assert "The campaign is running" in output
    assert "base-gla" in output
    assert "base-retnet: it is in the pool again." in output
    for line in (
        "(steer): prefer gates with a bias",
        "(veto base-retnet): it is dull",
        "(pause): I think",
    ):
        assert line in output
    assert "no command /hum" in output
    assert "did you mean `stop`" in output
    assert 'wanted: "gates"' in output
    assert "Withdrawn: prefer gates with a bias." in output


def test_a_chat_with_a_stopped_lab_is_refused(tmp_path: Path) -> None:
    """The error names the command that leaves a message."""
    assert "hint: move37 say" in move37("chat", "--home", str(tmp_path), code=1)
