"""The exported page: one file that shows a recorded log without a lab, a server or a network."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboard.bundle import bundle
from tests.support.browser import needs_chromium, opened
from tests.support.recorded_lab import RecordedLab, golden

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported page of a golden log."""
    lab = RecordedLab(golden("normal"))
    path = tmp_path_factory.mktemp("exported") / "page.html"
    path.write_text(bundle(lab.history, lab.events, lab.standing()), encoding="utf-8")
    return path


def test_the_page_is_whole_and_always_the_same(page_file: Path) -> None:
    """It names no other file and no address on a network; the same log gives the same bytes."""
    page = page_file.read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "connect-src" not in page.split("</head>")[0].split("Content-Security-Policy")[1][:600]
    lab = RecordedLab(golden("normal"))
    assert bundle(lab.history, lab.events, lab.standing()) == page


def test_every_view_opens_without_a_lab(browser: Browser, page_file: Path) -> None:
    """From a file, with the same rows as a lab's page."""
    with opened(browser, f"{page_file.as_uri()}#/leaderboard") as page:
        expect(page.locator(".board tbody tr")).to_have_count(12)
        page.goto(f"{page_file.as_uri()}#/experiment/e0008")
        trail = [event for event in golden("normal") if event.experiment == "e0008"]
        expect(page.locator('[data-part="trail"] li')).to_have_count(len(trail))
        page.goto(f"{page_file.as_uri()}#/lineage")
        expect(page.locator(".tree canvas")).to_have_attribute("data-nodes", "14")
        page.goto(f"{page_file.as_uri()}#/talk")
        expect(page.get_by_text("This is an exported log.")).to_be_visible()
        page.goto(f"{page_file.as_uri()}#/now")
        expect(page.locator(".headline")).to_contain_text("0.719")


def test_the_scrubber_folds_the_log_as_a_server_does(browser: Browser, page_file: Path) -> None:
    """At any position the page has as many scores."""
    history = RecordedLab(golden("normal")).history
    with opened(browser, f"{page_file.as_uri()}#/leaderboard") as page:
        for at in (90, 60, 30):
            page.get_by_label("Position in the log").fill(str(at))
            scored = [row for row in history.rows_at(at).values() if "fitness" in row]
            expect(page.locator(".board tbody tr")).to_have_count(len(scored))


def test_the_log_is_filtered_in_the_page(browser: Browser, page_file: Path) -> None:
    """With the same expressions, and an event leads to its cause."""
    with opened(browser, f"{page_file.as_uri()}#/log") as page:
        expect(page.locator(".log li")).to_have_count(100)
        page.get_by_label("Filter the log").fill("type:CodeFailed experiment:e0008")
        expect(page.locator(".log li")).to_have_count(1)
        page.get_by_role("button", name="open event").click()
        page.locator(".event a").first.click()
        expect(page.locator(".log .kind")).to_have_text(["RunFailed"])
