"""The Discovery view in a real Chromium: the figures of memory, as of any event, with and without a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.table import Contender
from bus.vocabulary.events import AnalysisReady, DiscoveryConfirmed, EvidenceReady
from bus.wire.envelope import Envelope
from dashboard.bundle import bundle
from lab.client.law import law_report
from lab.client.placebos import placebo_rate
from lab.client.trajectories import trajectories
from lab.operations.discovery_records import records, telling_positions
from tests.support.browser import NARROW, WIDE, needs_chromium, opened, serious_findings
from tests.support.climbing import finished_with_arms, plant
from tests.support.hostile_text import ATTACKS
from tests.support.planted_formulas import PlantedTable
from tests.support.recorded_lab import RecordedLab, golden, served
from tests.support.simulation import caching

pytestmark = needs_chromium
VIEW = "#/discovery"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Envelope]:
    """Return the log of a campaign in which one design is confirmed and another has no place left."""
    with pytest.MonkeyPatch.context() as patch, caching():
        plant(patch, 0.15)
        return finished_with_arms(tmp_path_factory.mktemp("climb")).log


@pytest.fixture(scope="module")
def known(log: Sequence[Envelope]) -> dict[str, Any]:
    """Return memory's record of the end."""
    return records(log, log[0].campaign, [log[-1].seq])[0]


@pytest.fixture(scope="module")
def url(log: Sequence[Envelope]) -> Iterator[str]:
    """Return the page's address."""
    with served(RecordedLab(log)) as url:
        yield url


def part(page: Page, name: str) -> Any:
    """Return a card of the view."""
    return page.locator(f'[data-part="{name}"]')


def test_the_ladder_has_a_row_for_each_climb(browser: Browser, url: str, known: dict[str, Any]) -> None:
    with opened(browser, url + VIEW) as page:
        rows = part(page, "ladder").locator("tbody tr")
        expect(rows).to_have_count(len(known["ladder"]))
        assert len(known["ladder"]) == 2
        expect(rows.filter(has_text="confirmed")).to_contain_text("micro (2 of 2)")
        expect(rows.filter(has_text="confirmed")).to_contain_text("6 of 6")
        expect(rows.filter(has_text="no place left")).to_contain_text("nano (1 of 2)")


def test_the_page_of_now_says_that_verification_is_under_way(
    browser: Browser, url: str, log: Sequence[Envelope]
) -> None:
    """Once all experiments have ended, no slot is open, and the campaign is not over."""
    ends = [one for one in log if isinstance(one.event, AnalysisReady) or getattr(one.event, "final", False)]
    for at, words in ((ends[0].seq, None), (ends[-1].seq, "Verification is under way")):
        with opened(browser, f"{url}#/now?at={at}") as page:
            link = part(page, "slots").locator('a[href="#/discovery"]')
            expect(link).to_have_text([words] if words else [])


def test_evidence_has_a_bar_for_each_look_and_baseline(browser: Browser, url: str, known: dict[str, Any]) -> None:
    """A bar tells the figures of its event."""
    figures = [one for look in known["evidence"] for one in look["baselines"]]
    with opened(browser, url + VIEW) as page:
        bars = part(page, "evidence").locator("svg.interval")
        expect(bars).to_have_count(len(figures))
        assert len(figures) == 2 * len(known["evidence"]) == 12
        assert bars.first.get_attribute("aria-label") == (
            f"{figures[0]['gain']:+.4f}, from {figures[0]['low']:+.4f} to {figures[0]['high']:+.4f}"
        )


def test_a_look_that_compared_nothing_has_a_row_with_its_reason(
    browser: Browser, log: Sequence[Envelope], known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Next to looks with figures; a lost run ends a climb without any."""
    lost = {"seq": 4711, "baselines": [], "outcome": "failed", "why": "its run ended without a score"}

    async def discovery(_: int) -> dict[str, Any]:
        return known | {"evidence": [*known["evidence"], known["evidence"][0] | lost]}

    lab = RecordedLab(log)
    monkeypatch.setattr(lab, "discovery", discovery)
    with served(lab) as url, opened(browser, url + VIEW) as page:
        row = part(page, "evidence").locator('tr[data-look="4711"]')
        expect(row).to_have_count(1)
        expect(row).to_contain_text(known["evidence"][0]["candidate"])
        expect(row.locator("td[colspan]")).to_have_text("its run ended without a score")
        expect(row.locator(".chip")).to_have_text("failed")


def test_a_verdict_leads_to_its_event(browser: Browser, url: str, known: dict[str, Any]) -> None:
    verdict = known["verdicts"][0]
    with opened(browser, url + VIEW) as page:
        item = part(page, "verdicts").locator(f'[data-id="{verdict["candidate"]}"]')
        expect(item).to_contain_text("confirmed")
        item.get_by_role("link", name=f"event {verdict['seq']}").click()
        expect(page.locator(".log li")).to_have_count(1)
        expect(page.locator(".log li")).to_have_attribute("data-seq", str(verdict["seq"]))


def test_the_law_and_the_rungs_are_those_of_the_command_line(
    browser: Browser, url: str, log: Sequence[Envelope], known: dict[str, Any]
) -> None:
    """`move37 law` prints the same numbers of the same log."""
    arms = law_report(trajectories(log, ""))["arms"]
    with opened(browser, url + VIEW) as page:
        rows = part(page, "law").locator(".scroll tbody tr")
        expect(rows).to_have_count(2 * len(arms))
        for arm, figures in arms.items():
            own = part(page, "law").locator(f'[data-arm="{arm}"]')
            assert own.locator("td.num").first.inner_text() == str(figures["experiments"])
            hits = own.locator("xpath=following-sibling::tr[1]").locator("td.num")
            assert hits.first.inner_text() == str(figures["screening_hits"]["count"])
        expect(part(page, "law").locator(".chart")).to_have_attribute("data-series", str(len(arms)))
        expect(part(page, "rungs").locator("tbody tr")).to_have_count(len(known["rungs"]))
        expect(part(page, "rungs")).to_contain_text("nano, sealed")
        expect(part(page, "placebos")).to_contain_text("was not measured")


def test_a_placebo_that_passes_is_a_false_discovery() -> None:
    """The rate has the exact interval of Clopper and Pearson: 0 of 5 says less than 0.52; the running do not count."""
    none = placebo_rate(["placebo failed"] * 5 + ["running"])
    assert (none.passed, none.ended) == (0, 5)
    assert none.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 5)))
    assert placebo_rate(["running"]).interval is None
    assert placebo_rate(["placebo passed", "placebo failed"]).passed == 1


def test_a_placebo_that_fails_is_good_news(
    browser: Browser, log: Sequence[Envelope], known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the name of its baseline, and the tones of its outcomes are the other way round."""
    placebo = {"candidate": "placebo-1", "placebo_of": "base-mamba2", "standing": "placebo failed"}
    look = next(one for one in known["evidence"] if one["outcome"] == "passed")
    rate = {"begun": 5, "planned": 5, "passed": 0, "ended": 5, "interval": (0.0, 0.522)}
    more = {
        "ladder": [known["ladder"][0] | placebo],
        "evidence": [look | {"candidate": "placebo-1", "outcome": "failed"}],
        "placebos": rate,
    }

    async def discovery(_: int) -> dict[str, Any]:
        return known | more

    lab = RecordedLab(log)
    monkeypatch.setattr(lab, "discovery", discovery)
    with served(lab) as url, opened(browser, url + VIEW) as page:
        expect(part(page, "ladder")).to_contain_text("placebo-1 base-mamba2 under another name")
        expect(part(page, "ladder").locator(".chip.good")).to_have_text("placebo failed")
        expect(part(page, "evidence").locator(".chip.good")).to_have_text("failed")
        expect(part(page, "placebos")).to_contain_text(
            "0 of 5 climbs that ended: a rate of false discoveries between 0%"
        )


def test_arms_and_units_have_their_rows(browser: Browser, url: str, known: dict[str, Any]) -> None:
    with opened(browser, url + VIEW) as page:
        expect(part(page, "arms").locator("tbody tr")).to_have_count(3)
        expect(part(page, "arms").locator('[data-arm="mutate_best"]')).to_contain_text("mutate best")
        expect(part(page, "effects").locator("svg.interval")).to_have_count(len(known["effects"]))
        assert len(known["effects"]) == known["units"] > 10


def test_formulas_and_insights_are_shown_as_memory_has_them(browser: Browser) -> None:
    """A formula that was coined is marked as such."""
    campaign = TableCampaign(PlantedTable(0.12), Contender.parse("mutate_best"), seed=3, queries=40)
    campaign.run()
    known = records(campaign.log, campaign.log[0].campaign, [campaign.log[-1].seq])[0]
    coined = [row for row in known["formulas"] if row["coined"]]
    lines = [*known["insights"]["worked"], *known["insights"]["failed"], *known["insights"]["questions"]]
    assert coined
    assert lines
    with served(RecordedLab(campaign.log)) as url, opened(browser, url + VIEW) as page:
        expect(part(page, "formulas").locator("tbody tr")).to_have_count(len(known["formulas"]))
        row = part(page, "formulas").locator("tbody tr", has_text="coined")
        expect(row).to_have_count(len(coined))
        expect(row.first).to_contain_text(coined[0]["unit"])
        expect(part(page, "insights").locator("li")).to_have_text(lines)


def test_forecasts_are_held_against_results(browser: Browser) -> None:
    """A policy that chooses by forecasts has their errors shown."""
    campaign = TableCampaign(PlantedTable(0.12), Contender.parse("surrogate"), seed=3, queries=20)
    campaign.run()
    known = records(campaign.log, campaign.log[0].campaign, [campaign.log[-1].seq])[0]["forecasts"]
    assert known["designs"] >= 6
    with served(RecordedLab(campaign.log)) as url, opened(browser, url + VIEW) as page:
        cells = part(page, "forecasts").locator("tbody td")
        expect(cells.first).to_have_text(str(known["designs"]))
        expect(part(page, "forecasts").locator("svg.interval")).to_have_count(1)
        expect(part(page, "forecasts")).to_contain_text(known["verdict"])


def test_the_past_knows_less(browser: Browser, url: str, log: Sequence[Envelope]) -> None:
    """At the first look one look is judged, and nobody has a verdict."""
    first = next(one.seq for one in log if isinstance(one.event, EvidenceReady))
    with opened(browser, f"{url}{VIEW}?at={first}") as page:
        expect(page.locator("h1 + p")).to_have_text(f"as of position {first}")
        expect(part(page, "evidence").locator("svg.interval")).to_have_count(2)
        expect(part(page, "verdicts")).to_have_count(0)
        page.get_by_label("Position in the log").fill(str(first - 1))
        expect(part(page, "ladder")).to_be_visible()
        expect(part(page, "evidence")).to_have_count(0)


def test_a_campaign_without_a_plan_says_so(browser: Browser) -> None:
    with served(RecordedLab(golden("normal"))) as url, opened(browser, url + VIEW) as page:
        expect(part(page, "no-plan")).to_contain_text("no plan of verification")
        expect(page.locator("#main .scroll tbody")).to_have_count(1)
        expect(part(page, "law").locator(".scroll tbody tr").first).to_contain_text("nothing found")


def test_an_exported_page_knows_the_same(
    browser: Browser, log: Sequence[Envelope], known: dict[str, Any], tmp_path: Path
) -> None:
    """At the end, and at an earlier event without a server."""
    lab, path = RecordedLab(log), tmp_path / "page.html"
    first = next(one.seq for one in log if isinstance(one.event, EvidenceReady))
    earlier = max(at for at in telling_positions(log) if at < first)
    path.write_text(bundle(lab.history, log, lab.standing(), records(log, log[0].campaign, [earlier, log[-1].seq])))
    with opened(browser, path.as_uri() + VIEW) as page:
        expect(part(page, "evidence").locator("svg.interval")).to_have_count(12)
        expect(part(page, "effects").locator("svg.interval")).to_have_count(len(known["effects"]))
        page.get_by_label("Position in the log").fill(str(first - 1))
        expect(part(page, "evidence")).to_have_count(0)


def test_no_reason_becomes_markup(browser: Browser, log: Sequence[Envelope]) -> None:
    """Models write no reason today; a hostile one stays text all the same."""
    text = " ".join(ATTACKS[:-1]).encode(errors="replace").decode()
    hostile = [
        replace(one, event=one.event.model_copy(update={"why": text}))
        if isinstance(one.event, EvidenceReady | DiscoveryConfirmed)
        else one
        for one in log
    ]
    with served(RecordedLab(hostile)) as url, opened(browser, url + VIEW) as page:
        expect(part(page, "verdicts")).to_contain_text("<img src=x")
        assert page.locator("#main img, #main script, #main [onerror]").count() == 0


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)], ids=["1280 light", "390 dark"])
def test_axe_finds_nothing_serious_in_discovery(
    browser: Browser, url: str, size: tuple[int, int], *, dark: bool
) -> None:
    with opened(browser, url + VIEW, size, dark=dark) as page:
        expect(part(page, "evidence")).to_be_visible()
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
