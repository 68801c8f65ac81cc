"""Answers that come late, and a stream that is refused: the page shows what its address says, and comes back."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.browser import needs_chromium, opened
from tests.support.recorded_lab import RecordedLab, golden, served

pytestmark = needs_chromium
LATE_S = 0.6


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the page's address of a golden log."""
    with served(RecordedLab(golden("normal"))) as url:
        yield url


def late(route: Route) -> None:
    """Let a request wait."""
    time.sleep(LATE_S)
    route.continue_()


@pytest.mark.parametrize("next_view", ["experiment/e0003", "leaderboard"])
def test_a_late_answer_does_not_replace_the_next_page(browser: Browser, url: str, next_view: str) -> None:
    """Neither another experiment nor another view gives way to the one that a person has left."""
    with opened(browser, url + "#/log") as page:
        expect(page.locator(".log li").first).to_be_visible()
        page.route("**/api/experiment/e0002", late)
        page.evaluate(
            f"location.hash = '#/experiment/e0002'; setTimeout(() => {{ location.hash = '#/{next_view}'; }}, 50)"
        )
        heading = page.locator("#main h1")
        expect(heading).to_contain_text("e0003" if "e0003" in next_view else "Leaderboard")
        page.wait_for_timeout(1000 * LATE_S + 400)
        expect(heading).not_to_contain_text("e0002")
        if "e0003" in next_view:
            expect(page.locator('[data-part="trail"] li').first).to_contain_text("e0003")


def test_a_refused_stream_is_asked_for_again(browser: Browser, url: str) -> None:
    """A browser gives up after a refusal, so the page asks again itself."""
    context = browser.new_context()
    page, refused = context.new_page(), []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503, body="{}")

    page.route("**/api/stream?*", refuse_once)
    page.goto(url + "#/leaderboard")
    expect(page.locator("#head .state")).to_have_text("connection lost")
    expect(page.locator("#head .state")).not_to_have_text("connection lost")
    assert len(refused) == 1
    context.close()


def test_a_page_that_comes_back_asks_for_the_scores_again(browser: Browser) -> None:
    """A hidden page has no stream, so it missed that memory's scores changed; a page that has just loaded asks once."""
    lab, asked = RecordedLab(golden("normal")), list[str]()
    look = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    look += " document.dispatchEvent(new Event('visibilitychange')); }"
    with served(lab) as url, opened(browser, "about:blank") as page:
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_response("**/api/stream?*"):
            page.goto(url)
        page.wait_for_timeout(500)
        assert sum(each.endswith("api/standing") for each in asked) == 1
        page.evaluate(look, True)
        lab.scores = {"e0006": 0.987}
        page.evaluate(look, False)
        expect(page.locator("#head")).to_contain_text("0.987")
        expect(page.locator("#head .state")).not_to_have_text("connection lost")


def test_what_had_the_focus_keeps_it_when_a_part_is_drawn_again(browser: Browser, url: str) -> None:
    """A person who turns pages by the keyboard stays on the button."""
    with opened(browser, url + "#/leaderboard") as page:
        head = page.locator("[data-sort=loss]")
        head.focus()
        page.keyboard.press("Enter")
        expect(page.locator("[aria-sort]")).to_contain_text("text loss")
        expect(page.locator("[data-sort=loss]")).to_be_focused()
