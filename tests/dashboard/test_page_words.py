"""The page's words in a real Chromium: what it says of a campaign is true in each of its states."""

from collections.abc import Iterator

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
