"""Now shows what language models took: memory's sums, as of any event; nothing in a campaign without models."""

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, expect

from bus.vocabulary.events import CampaignStarted, ModelAccount, ModelAnswered, ModelLimits, ModelOutcome
from bus.wire.envelope import Envelope
from dashboard.bundle import bundle
from lab.operations.discovery_records import records
from tests.support.browser import needs_chromium, opened, serious_findings
from tests.support.recorded_lab import RecordedLab, golden, served

pytestmark = needs_chromium
CARD = '[data-part="models"]'


def asking() -> list[Envelope]:
    """Return a golden log whose researcher asked a model four times after its end; at last the circuit was open."""
    log = golden("normal")
    first = log[0].event
    assert isinstance(first, CampaignStarted)
    changes = {"models": {"researcher": "small"}, "model_limits": ModelLimits(cost=5.0)}
    log[0] = replace(log[0], event=first.model_copy(update=changes))
    outcomes: tuple[ModelOutcome, ...] = ("answered", "no_json", "answered", "circuit_open")
    for number, outcome in enumerate(outcomes):
        sent = outcome != "circuit_open"
        account = ModelAccount(
            model="small", outcome=outcome, tokens_in=1000 * sent, tokens_out=200 * sent, cost=0.25 * sent
        )
        event = ModelAnswered(agent="researcher", purpose="draft", account=account)
        last = log[-1]
        log.append(replace(last, id=f"{number:032x}", experiment="e0001", event=event, seq=last.seq + 1))
    return log


def test_each_agent_has_its_sums_and_named_failures(browser: Browser) -> None:
    log = asking()
    with served(RecordedLab(log)) as url, opened(browser, url + "#/now") as page:
        expect(page.locator(f"{CARD} tbody tr")).to_have_count(1)
        row = page.locator(f'{CARD} [data-agent="researcher"]')
        for text in ("small", "2 of 4", "3.60 k", "0.75", "answers are no JSON (1)", "the circuit is open"):
            expect(row).to_contain_text(text)
        for text in ("Most went to e0001 3.60 k tokens, cost 0.75.", "The campaign may take: cost 5."):
            expect(page.locator(CARD)).to_contain_text(text)
        assert serious_findings(page) == []
        page.get_by_label("Position in the log").fill(str(log[-2].seq))
        expect(row).to_contain_text("2 of 3")
        expect(row).not_to_contain_text("circuit")
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
    known = records(log, log[0].campaign, [log[-2].seq, log[-1].seq])
    path.write_text(bundle(lab.history, log, lab.standing(), known))
    with opened(browser, path.as_uri() + "#/now") as page:
        expect(page.locator(f"{CARD} tbody tr")).to_contain_text("2 of 4")
