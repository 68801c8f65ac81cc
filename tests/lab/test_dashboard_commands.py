"""The commands around the dashboard: a page in one file, and a dashboard that runs with the lab."""

import asyncio
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from bus.nats import server
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.human_input import publish_message
from lab.operations.run_dashboard import choose_port, with_dashboard
from lab.settings import LoadedSettings
from tests.histories import archive
from tests.support.labs import instant, move37, run_instant


def test_an_exported_log_becomes_a_page(tmp_path: Path) -> None:
    """The command prints its path; the page holds the log."""
    log = archive.unpack("normal", tmp_path)
    out = tmp_path / "pages" / "page.html"
    assert move37("export-page", "--log", str(log), "--out", str(out)).strip() == str(out)
    assert 'id="log"' in out.read_text()


@pytest.mark.parametrize("arguments", [("--log", "missing.jsonl"), ("--home", "nothing-here")])
def test_a_page_without_a_log_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """In one line."""
    error = move37("export-page", *arguments, "--out", str(tmp_path / "page.html"), code=1, cwd=tmp_path)
    assert "Traceback" not in error


def test_a_port_in_use_is_not_chosen() -> None:
    """A second lab on the machine has a dashboard too."""
    free = server.free_port()
    settings = LoadedSettings.load({"roles": {"dashboard": {"port": free}}}).settings
    assert choose_port(settings) == free
    assert choose_port(LoadedSettings.load({"roles": {"dashboard": {"port": 0}}}).settings) > 0


def test_a_lab_runs_with_its_dashboard(tmp_path: Path) -> None:
    """The page answers while the campaign runs, and ends with it."""
    port, answers = server.free_port(), []
    stopping: list[asyncio.Future[str]] = []

    async def visit() -> str:
        while not answers:
            try:
                answers.append(await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/healthz").read()))
            except URLError:
                await asyncio.sleep(0.1)
        settings = LoadedSettings.load({"home": tmp_path}).settings
        return await publish_message(settings, {"kind": "stop", "text": "enough"})

    def watch(view: CampaignView, _: Envelope | None) -> None:
        if not stopping and view.started:
            stopping.append(asyncio.ensure_future(visit()))

    run_instant(tmp_path, watch, with_dashboard(instant, port), experiments=400, slots=2)
    assert answers == [b"ok"]
    assert not server.is_listening(port)
