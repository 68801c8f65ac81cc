"""Now shows what language models took: memory's sums, as of any event; nothing in a campaign without models."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bus.vocabulary.events import CampaignStarted, ModelAccount, ModelAnswered, ModelLimits, ModelOutcome
from bus.wire.envelope import Envelope
from dashboard.bundle import bundle
from lab.operations.discovery_records import records, telling_positions
from tests.support.browser import chromium, needs_chromium, opened, serious_findings
from tests.support.recorded_lab import RecordedLab, golden, served

pytestmark = needs_chromium
CARD = '[data-part="models"]'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one Chromium for all tests of this file."""
    with chromium() as browser:
        yield browser


def asking() -> list[Envelope]:
    """Return a golden log in which the researcher's model was asked three times after its end."""
    log = golden("normal")
    first = log[0].event
    assert isinstance(first, CampaignStarted)
    changes = {"models": {"researcher": "small"}, "model_limits": ModelLimits(cost=5.0)}
    log[0] = replace(log[0], event=first.model_copy(update=changes))
    outcomes: tuple[ModelOutcome, ...] = ("answered", "no_json", "answered")
    for number, outcome in enumerate(outcomes):
        account = ModelAccount(model="small", outcome=outcome, tokens_in=1000, tokens_out=200, cost=0.25)
        event = ModelAnswered(agent="researcher", purpose="draft", account=account)
        last = log[-1]
        log.append(replace(last, id=f"{number:032x}", experiment="e0001", event=event, seq=last.seq + 1))
    return log


def test_each_agent_has_its_sums_and_named_failures(browser: Browser) -> None:
    log = asking()
    with served(RecordedLab(log)) as url, opened(browser, url + "#/now") as page:
        expect(page.locator(f"{CARD} tbody tr")).to_have_count(1)
        row = page.locator(f'{CARD} [data-agent="researcher"]')
        for text in ("small", "2 of 3", "3.60 k", "0.75", "answers are no JSON (1)"):
            expect(row).to_contain_text(text)
        expect(page.locator(CARD)).to_contain_text("The campaign may take: cost 5.")
        assert serious_findings(page) == []
        page.get_by_label("Position in the log").fill(str(log[-2].seq))
        expect(row).to_contain_text("1 of 2")
        page.get_by_label("Position in the log").fill("50")
        expect(page.locator(CARD)).to_be_hidden()


def test_a_campaign_without_models_has_no_such_card(browser: Browser) -> None:
    with served(RecordedLab(golden("normal"))) as url, opened(browser, url + "#/now") as page:
        expect(page.locator('[data-part="log"] li').first).to_be_visible()
        expect(page.locator(CARD)).to_be_hidden()
        expect(page.get_by_role("heading", name="Language models")).to_have_count(0)


def test_an_exported_page_has_the_same_sums(browser: Browser, tmp_path: Path) -> None:
    log, path = asking(), tmp_path / "page.html"
    lab = RecordedLab(log)
    path.write_text(bundle(lab.history, log, lab.standing(), records(log, log[0].campaign, telling_positions(log))))
    with opened(browser, path.as_uri() + "#/now") as page:
        expect(page.locator(f"{CARD} tbody tr")).to_contain_text("2 of 3")
