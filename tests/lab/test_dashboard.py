"""The dashboard of a running lab, requested over HTTP as a browser does."""

import asyncio
import json
import re
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


class Browser:
    """Starts a dashboard after the first analysis, reads it until every part has content, and stops the campaign."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, server.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.reading: asyncio.Future[dict[str, str]] | None = None
        self.stopping: asyncio.Future[str] | None = None
        self.services = ""

    def __call__(self, view: CampaignView, envelope: Envelope | None) -> None:
        if self.process is None and view.counts["AnalysisReady"]:
            command = [sys.executable, "-m", "lab.cli", "serve", "dashboard", "--port", str(self.port)]
            self.process = subprocess.Popen([*command, "--home", str(self.home)], cwd=ROOT)
            self.reading = asyncio.ensure_future(asyncio.to_thread(self.read))
        if self.stopping is None and self.reading and self.reading.done():
            settings = LoadedSettings.load({"home": self.home}).settings
            self.stopping = asyncio.ensure_future(publish_message(settings, {"kind": "stop", "text": "enough"}))

    def read(self) -> dict[str, str]:
        """Return the report, and the newest parts once each has content and the log has changed twice."""
        parts, lines = dict[str, str](), set[str]()
        with self._connect() as stream:
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

    def _connect(self):
        """Open the stream as soon as the server listens."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return urlopen(f"http://127.0.0.1:{self.port}/stream", timeout=60)
            except URLError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_running_lab_is_shown_until_it_stops(tmp_path: Path) -> None:
    """Every part has content, and the dashboard is listed among the services."""
    browser = Browser(tmp_path)
    try:
        assert run_instant(tmp_path, browser, experiments=250, slots=2).finished
        assert browser.process
        assert browser.process.wait(20) == 0
    finally:
        if browser.process:
            browser.process.kill()
            browser.process.wait()
    assert browser.reading
    parts = browser.reading.result()
    assert "is under way" in parts["head"]
    assert re.search(r"base-\w+|e\d{4}", parts["leaderboard"])
    assert "base-gla" in parts["lineage"]
    assert "fitness" in parts["log"]
    assert "report of a campaign" in parts["report"]
    (service,) = [row for row in json.loads(browser.services)["services"] if row["role"] == "dashboard"]
    assert service["last_error"] == ""


def test_without_a_lab_the_dashboard_is_refused(tmp_path: Path) -> None:
    """The error says what to do."""
    assert "--nats" in move37("serve", "dashboard", "--home", str(tmp_path), code=1)
