"""The dashboard of a running lab, asked over HTTP as a browser asks it."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bus.nats import server
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.settings import LoadedSettings
from tests.support.labs import ROOT, move37, run_instant


class Visitor:
    """Starts a dashboard when the first result is there, looks until it has seen enough, and stops the campaign."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, server.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.looking: asyncio.Future[dict[str, str]] | None = None
        self.stopping: asyncio.Future[str] | None = None
        self.services = ""

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        if self.process is None and view.counts["AnalysisReady"]:
            command = [sys.executable, "-m", "lab.cli", "serve", "dashboard", "--port", str(self.port)]
            self.process = subprocess.Popen([*command, "--home", str(self.home)], cwd=ROOT)
            self.looking = asyncio.ensure_future(asyncio.to_thread(self.look))
        if self.stopping is None and self.looking and self.looking.done():
            settings = LoadedSettings.load({"home": self.home}).settings
            self.stopping = asyncio.ensure_future(publish_message(settings, {"kind": "stop", "text": "seen enough"}))

    def look(self) -> dict[str, str]:
        """Return the newest parts, once each has something to show and the log has moved on, and the report."""
        parts, lines = dict[str, str](), set[str]()
        with self._there() as stream:
            while not all(parts.get(name) for name in ("head", "slots", "log", "leaderboard", "time", "lineage")) or (
                len(lines) < 3
            ):
                if (line := stream.readline().decode()).startswith("data: "):
                    parts |= json.loads(line.removeprefix("data: "))
                    lines.add(parts["log"])
                assert line, "the stream ended"
        self.services = move37("status", "--json", "--home", str(self.home))
        with urlopen(f"http://127.0.0.1:{self.port}/report", timeout=60) as reply:
            return parts | {"report": reply.read().decode()}

    def _there(self):
        """Open the stream as soon as the server is there."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return urlopen(f"http://127.0.0.1:{self.port}/stream", timeout=60)
            except URLError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_running_lab_is_shown_until_it_stops(tmp_path: Path) -> None:
    """Every part has something to show, with the dashboard's own key; and it is among the services."""
    visitor = Visitor(tmp_path)
    try:
        assert run_instant(tmp_path, visitor, experiments=250, slots=2).finished
        assert visitor.process
        assert visitor.process.wait(20) == 0
    finally:
        if visitor.process:
            visitor.process.kill()
            visitor.process.wait()
    assert visitor.looking
    seen = visitor.looking.result()
    assert "is under way" in seen["head"]
    assert "base-gla" in seen["leaderboard"]
    assert "base-gla" in seen["lineage"]
    assert "fitness" in seen["log"]
    assert "report of a campaign" in seen["report"]
    (mine,) = [one for one in json.loads(visitor.services)["services"] if one["role"] == "dashboard"]
    assert mine["last_error"] == ""


def test_without_a_lab_there_is_nothing_to_show(tmp_path: Path) -> None:
    """One line names the remedy."""
    assert "--nats" in move37("serve", "dashboard", "--home", str(tmp_path), code=1)
