"""The dashboard of a running lab, requested over HTTP as a browser does."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

from agents.search import policies
from bus.nats import server
from bus.security import access
from bus.security.keys import seed_path
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.home import Home
from lab.settings import LoadedSettings
from tests.support.labs import ROOT, move37, run_instant


class Browser:
    """Starts a dashboard after the first analysis, reads and speaks over it, and stops the campaign."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, server.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.reading: asyncio.Future[dict[str, Any]] | None = None
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

    def read(self) -> dict[str, Any]:
        """Return what the API answers, after three new events and vitals have come over the stream."""
        seen, types = set[str](), list[str]()
        with self._connect() as stream:
            while "vitals" not in seen or types.count("log") < 3:
                line = stream.readline().decode()
                assert line, "the stream ended"
                if line.startswith("event: "):
                    types.append(line.removeprefix("event: ").strip())
                    seen.add(types[-1])
        self.services = move37("status", "--json", "--home", str(self.home))
        names = ("rows", "log", "vitals", "standing", "discovery", "discovery?at=1", "spending")
        answers = {name: json.loads(self.get(f"api/{name}")) for name in names}
        return answers | {"report": self.get("report"), "spoken": self.speak(), "page": self.get("")}

    def get(self, path: str) -> str:
        """Return a reply's body."""
        with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=60) as reply:
            return reply.read().decode()

    def speak(self) -> list[int]:
        """Speak with no key, with the owner's and with a role's, which starts no fork; return each reply's status."""
        opener = build_opener(HTTPCookieProcessor())
        address = f"http://127.0.0.1:{self.port}"

        def post(path: str, content: dict[str, str | int], csrf: str = "") -> int:
            headers = {"Content-Type": "application/json", "Origin": address, "X-CSRF-Token": csrf}
            request = Request(f"{address}/api/{path}", json.dumps(content).encode(), headers)
            try:
                return opener.open(request, timeout=60).status
            except HTTPError as error:
                return error.code

        key = seed_path(Home(self.home).keys, access.HUMAN).read_text()
        wrong = seed_path(Home(self.home).keys, "trainer").read_text()
        statuses = [post("session", {"key": "SUNOKEY"}), post("session", {"key": key})]
        csrf = json.load(opener.open(f"{address}/api/session"))["csrf"]
        statuses.append(post("say", {"text": "prefer the delta rule"}, csrf))
        statuses.append(post("session", {"key": wrong}))
        csrf = json.load(opener.open(f"{address}/api/session"))["csrf"]
        return [*statuses, post("say", {"text": "a trainer does not speak"}, csrf), post("forks", {"at": 1}, csrf)]

    def _connect(self):
        """Open the stream as soon as the server listens."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return urlopen(f"http://127.0.0.1:{self.port}/api/stream", timeout=60)
            except URLError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_running_lab_is_shown_until_it_stops(tmp_path: Path) -> None:
    """Every answer has content, people speak with their own keys alone, and the dashboard is among the services."""
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
    answers = browser.reading.result()
    assert {"base-gla", "campaign"} <= {row["id"] for row in answers["rows"]["rows"]}
    assert answers["log"]["total"] > 10
    assert "trainer" in [service["role"] for service in answers["vitals"]["services"]]
    assert answers["standing"]["at"] > 0
    assert answers["discovery"]["at"] >= answers["standing"]["at"]
    assert answers["discovery"]["analysed"] > 0
    assert answers["spending"] == {"rows": [], "experiments": [], "limits": {}}
    assert (answers["discovery?at=1"]["at"], answers["discovery?at=1"]["analysed"]) == (1, 0)
    assert "report of a campaign" in answers["report"]
    assert answers["spoken"] == [401, 200, 200, 200, 403, 409]
    forks = {"home": str(tmp_path.resolve()), "at_once": 1, "policies": list(policies()), "forks": []}
    assert answers["vitals"]["forks"] == forks
    assert "static/served.js" in answers["page"]
    (service,) = [row for row in json.loads(browser.services)["services"] if row["role"] == "dashboard"]
    assert service["last_error"] == ""


def test_without_a_lab_the_dashboard_is_refused(tmp_path: Path) -> None:
    """The error says what to do."""
    assert "--nats" in move37("serve", "dashboard", "--home", str(tmp_path), code=1)
