"""The Talk view in a real Chromium: what people say reaches the bus, and what each message changed is shown."""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Browser, Page, expect

from bus.vocabulary.events import CampaignPaused
from bus.wire import subjects
from bus.wire.envelope import Envelope
from tests.support.browser import needs_chromium, opened
from tests.support.recorded_lab import KEY, RecordedLab, golden, served

pytestmark = needs_chromium


SAID = (
    {"text": "try <b>delta</b>"},
    {"kind": "veto", "text": "too slow", "target": "e0002"},
    {"kind": "restore", "text": "it is fast", "target": "e0002"},
    {"kind": "budget", "text": "30"},
    {"kind": "propose", "text": "it forgets"},
    {"kind": "pause"},
    {"kind": "stop", "text": "enough"},
)
"""What the test below says, in its order."""


def sign_in(page: Page) -> None:
    """Sign in with the lab's key as ada."""
    page.get_by_label("Key", exact=True).last.fill(KEY)
    page.get_by_label("Name on the key").fill("ada")
    page.get_by_role("button", name="Sign in").click()


def send(page: Page, words: Mapping[str, str]) -> None:
    """Write a message, and send it."""
    page.get_by_label("What to say").select_option(words.get("kind", ""))
    if "target" in words:
        page.get_by_label("Experiment", exact=True).fill(words["target"])
    page.get_by_label("Message", exact=True).fill(words["text"])
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def pause(lab: RecordedLab) -> None:
    """Let the campaign pause."""
    last = lab.events[-1]
    paused = CampaignPaused(by="ada")
    lab.add(Envelope("a" * 32, "/lab/desk/1", last.time, last.campaign, "campaign", paused, seq=last.seq + 1))


def test_the_talk_box_puts_events_on_the_bus(browser: Browser) -> None:
    """After signing in with a key: words, orders, and a proposal that was checked; a stop asks first."""
    lab = RecordedLab(golden("normal"))
    with served(lab) as url, opened(browser, url + "#/talk") as page:
        sign_in(page)
        for words in SAID[:4]:
            send(page, words)
        expect(page.get_by_text("sent on lab.human.nano-0-c16f.ada")).to_be_visible()
        page.get_by_text("Propose an architecture").click()
        page.get_by_role("button", name="Check").click()
        expect(page.locator(".verdict")).to_contain_text("passed")
        page.get_by_label("Reason").fill("it forgets")
        page.get_by_role("button", name="Propose").click()
        page.get_by_role("button", name="Pause").click()
        pause(lab)
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        page.get_by_role("button", name="Stop the campaign").click()
        page.get_by_role("button", name="Stop it for good?").click()
        expect(page.get_by_role("button", name="Stop the campaign")).to_be_visible()
    with ThreadPoolExecutor(1) as thread:  # Playwright has a loop of its own here
        stored = thread.submit(lambda: asyncio.run(lab.bus.read(subjects.HUMAN))).result()
    said = [json.loads(message.payload) for message in stored]
    assert "class Mixer" in said[4].pop("source")
    assert said == list(SAID)


def test_messages_of_people_are_shown_with_what_they_changed(browser: Browser) -> None:
    """Who said what, the lab's answers, and the effects."""
    with served(RecordedLab(golden("veto"))) as url, opened(browser, url + "#/talk") as page:
        expect(page.locator(".said.person")).to_have_count(5)
        expect(page.locator(".said.lab")).to_have_count(1)
        expect(page.locator(".effects", has_text="HumanAnswered")).to_have_count(1)
        expect(page.locator(".said", has_text="it thinks deeply").locator(".effects")).to_contain_text(
            "ProposalCreated"
        )
        expect(page.locator(".said", has_text="it does not end").locator(".effects")).to_contain_text("RunFailed")
        expect(page.locator(".said", has_text="try the delta rule").locator(".effects")).to_contain_text("led to")
