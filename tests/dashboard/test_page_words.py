"""The page's words in a real Chromium: what it says of a campaign is true in each of its states."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import needs_chromium, opened
from tests.support.recorded_lab import RecordedLab, golden, served

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the page's address of a golden log."""
    with served(RecordedLab(golden("normal"))) as url:
        yield url


def test_the_score_in_the_head_is_that_of_the_candidate_that_ranks_first(browser: Browser, url: str) -> None:
    """It need not be the highest score, since ranks follow more than the score."""
    with opened(browser, url) as page:
        for place in ("#head .fact", ".headline dt"):
            expect(page.locator(place, has_text="top candidate's fitness")).to_have_count(1)
            expect(page.locator(place, has_text="best fitness")).to_have_count(0)


def test_a_figure_has_the_unit_of_its_rounded_value(browser: Browser, url: str) -> None:
    """Three digits, and never an exponent."""
    script = (
        "async (values) => { const { compact } = await import('/static/parts/words.js'); return values.map(compact); }"
    )
    with opened(browser, url) as page:
        words = page.evaluate(script, [0, 999, 999.6, 999_400, 999_500, 999_999_999, 1.5e12, -999_700])
    assert words == ["0", "999", "1.00 k", "999 k", "1.00 M", "1.00 G", "1.50 T", "-1.00 M"]


def test_the_report_sorts_what_has_no_value_last(
    browser: Browser, tmp_path: Path, make_campaign: Callable, render: Callable
) -> None:
    """In both directions: words such as `in quarantine` stand for a figure that is missing."""
    experiments = make_campaign(4)
    waiting = experiments[1].model_copy(update={"status": "quarantined", "fitness": None, "parts": None})
    path = tmp_path / "report.html"
    path.write_text(render([experiments[0], waiting, *experiments[2:]]))
    with opened(browser, path.as_uri()) as page:
        head = page.locator("#leaderboard th", has_text="fitness").first.locator("button")
        for _ in ("descending", "ascending"):
            head.click()
            expect(page.locator("#leaderboard tbody tr").last).to_contain_text("in quarantine")
