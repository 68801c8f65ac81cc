"""The page in a real headless Chromium, driven by golden logs: what it shows, and that nothing in it is broken."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bus.vocabulary.events import HumanMessage, LossPoint
from bus.wire.envelope import Envelope
from tests.support.browser import NARROW, WIDE, needs_chromium, opened, serious_findings
from tests.support.hostile_text import ATTACKS
from tests.support.recorded_lab import RecordedLab, golden, served
from tests.support.synthetic_log import synthetic_log

pytestmark = needs_chromium
VIEWS = (
    "now", "leaderboard", "lineage", "experiment/e0002", "experiment/e0006/diff/e0002", "compare/e0002,base-gla", "log",
    "talk",
)  # fmt: skip
TEXTS = (
    "name", "motivation", "source", "problem", "message", "change", "evidence", "goal", "tail", "text", "answer",
    "question", "by",
)  # fmt: skip
"""Fields of events that people, models or candidates write."""
ANY_ATTACK = " ".join(ATTACKS[:-1]).encode(errors="replace").decode()


@pytest.fixture(scope="module")
def lab() -> RecordedLab:
    """Return a lab with a golden log, only to read."""
    return RecordedLab(golden("normal"))


@pytest.fixture(scope="module")
def url(lab: RecordedLab) -> Iterator[str]:
    """Return the page's address."""
    with served(lab) as url:
        yield url


def ready(page: Page) -> None:
    """Wait until the view has drawn itself."""
    expect(page.locator("#main h1")).to_be_visible()
    expect(page.locator("#main .loading")).to_have_count(0)


def rows(page: Page) -> list[str]:
    """Return the ids of the leaderboard's rows."""
    return page.locator(".board tbody tr").evaluate_all("rows => rows.map(row => row.dataset.id)")


def test_the_leaderboard_has_a_row_for_each_score(browser: Browser, url: str) -> None:
    """It is sorted and filtered, and its best row is marked."""
    with opened(browser, url + "#/leaderboard") as page:
        ready(page)
        assert len(rows(page)) == 12
        assert rows(page)[0] == "e0006"
        assert page.locator("tr.best").get_attribute("data-id") == "e0006"
        assert page.locator("tr.base").count() == 6
        assert page.locator(".interval .dot").count() == 12
        page.locator('[data-sort="loss"]').click()
        losses = [float(text) for text in page.locator("tbody td:nth-child(6)").all_inner_texts()]
        assert losses == sorted(losses)
        page.get_by_label("Filter experiments").fill("gated-delta")
        expect(page.locator(".board tbody tr")).to_have_count(3)
        page.get_by_label("Filter experiments").fill("")
        page.get_by_label("Which experiments").select_option("all")
        expect(page.locator(".board tbody tr")).to_have_count(14)
        assert page.locator('[data-part="pareto"] canvas').get_attribute("data-points") == "14"


def test_a_design_has_its_short_name_and_the_whole_on_hover(browser: Browser, url: str) -> None:
    """The same in every view."""
    with opened(browser, url + "#/leaderboard") as page:
        name = page.locator('tr[data-id="e0002"] .name')
        expect(name).to_have_text("e0002gated-delta/conv4")
        assert "joint-norm·pre-norm-gate" in (name.get_attribute("title") or "")
        page.goto(url + "#/experiment/e0002")
        expect(page.locator("h1")).to_have_text("e0002 · gated-delta/conv4")


def test_the_lineage_draws_every_experiment(browser: Browser, url: str) -> None:
    """Leaves collapse; the best line is listed with the gain of each step; keys move and open."""
    with opened(browser, url + "#/lineage") as page:
        canvas = page.locator(".tree canvas")
        expect(canvas).to_have_attribute("data-nodes", "14")
        assert page.locator(".path li").count() == 2
        expect(page.locator(".path li").last).to_contain_text("+0.016")
        page.get_by_role("button", name="Collapse leaves").click()
        expect(canvas).to_have_attribute("data-nodes", "8")
        page.get_by_role("button", name="Expand all").click()
        expect(canvas).to_have_attribute("data-nodes", "14")
        canvas.focus()
        for key in ("ArrowDown", "ArrowRight", "Enter"):
            canvas.press(key)
        expect(page).to_have_url(re.compile("#/experiment/"))


def test_an_experiment_is_shown_whole(browser: Browser, lab: RecordedLab, url: str) -> None:
    """Motivation, formula, source, scores, trail and repairs, each from the log."""
    with opened(browser, url + "#/experiment/e0008") as page:
        ready(page)
        expect(page.locator("pre.formula")).to_contain_text("S ← γ_t S")
        assert page.locator("pre.code .line").count() > 50
        assert page.locator(".t-keyword").count() > 20
        assert page.locator("table.scores tbody tr").count() == 6
        assert page.locator(".attempts li").count() == 2
        shares = "bars => bars.map(bar => bar.firstChild.offsetWidth / bar.offsetWidth)"
        parts = lab.history.rows["e0008"]["parts"]
        assert page.locator(".parts .bar").evaluate_all(shares) == pytest.approx(parts, abs=0.02)
        trail = len([e for e in golden("normal") if e.experiment == "e0008"])
        expect(page.locator('[data-part="trail"] li')).to_have_count(trail)


def test_sources_are_compared_side_by_side(browser: Browser, url: str) -> None:
    """What was removed is on the left, what was added on the right, and the address says which two."""
    with opened(browser, url + "#/experiment/e0006/diff/base-gla") as page:
        sides = page.locator(".diff pre.code")
        expect(sides).to_have_count(2)
        assert sides.nth(0).locator(".line").count() == sides.nth(1).locator(".line").count()
        assert sides.nth(0).locator(".line.gone").count() > 0
        assert sides.nth(1).locator(".line.come").count() > 0
        page.get_by_label("Compare the source with").select_option("")
        expect(page.locator(".diff")).to_have_count(0)


def test_curves_are_drawn_for_each_task(browser: Browser) -> None:
    """A chart for each task, with every experiment's whole curve."""
    lab = RecordedLab(synthetic_log(6, curves=True))
    with served(lab) as url, opened(browser, url + "#/compare/base-gla,base-retnet") as page:
        charts = page.locator(".chart")
        expect(charts).to_have_count(2)
        for chart in charts.all():
            assert (chart.get_attribute("data-series"), chart.get_attribute("data-points")) == ("2", "100")
        expect(page.locator(".chart canvas")).to_have_count(2)


def test_the_log_jumps_from_an_event_to_its_cause(browser: Browser, url: str) -> None:
    """Filter, search, the whole event, and a link to the event that led to it."""
    with opened(browser, url + "#/log") as page:
        expect(page.locator(".log li")).to_have_count(100)
        page.get_by_role("button", name="Older events").click()
        expect(page.locator(".log li")).to_have_count(107)
        page.get_by_label("Filter the log").fill("type:CodeFailed experiment:e0008")
        expect(page.locator(".log li")).to_have_count(1)
        page.get_by_role("button", name="open event").click()
        expect(page.locator(".event pre")).to_contain_text("causality")
        page.locator(".event a").first.click()
        expect(page.locator(".log .kind")).to_have_text(["RunFailed"])
        page.get_by_label("Filter the log").fill("sort:up")
        expect(page.locator(".title .chip.bad")).to_contain_text("unknown key")


def test_the_page_filters_as_the_server_does(browser: Browser, url: str) -> None:
    """An exported page has no server, so it reads the same expressions itself."""
    filters = json.loads((Path(__file__).parent / "log_filters.json").read_text())
    script = """async ({entries, cases, refused}) => {
      const { logFilter } = await import("/static/parts/log_filter.js");
      const found = cases.map(([text]) => entries.filter(logFilter(text)).map((entry) => entry.seq));
      const throws = refused.map((text) => { try { logFilter(text); return false; } catch { return true; } });
      return [found, throws];
    }"""
    with opened(browser, url) as page:
        found, throws = page.evaluate(script, filters)
    assert found == [positions for _, positions in filters["cases"]]
    assert all(throws)


def test_the_scrubber_shows_every_view_as_of_an_event(browser: Browser, lab: RecordedLab, url: str) -> None:
    """The address keeps the position, and `now` returns."""
    with opened(browser, url + "#/leaderboard?at=50") as page:
        ready(page)
        then = [row for row in lab.history.rows_at(50).values() if "fitness" in row]
        expect(page.locator(".board tbody tr")).to_have_count(len(then))
        expect(page.locator("#scrubber")).to_contain_text("as of position 50 of 107")
        page.get_by_label("Position in the log").fill("20")
        early = [row for row in lab.history.rows_at(20).values() if "fitness" in row]
        expect(page.locator(".board tbody tr")).to_have_count(len(early))
        assert "at=20" in page.url
        page.get_by_role("button", name="now", exact=True).click()
        expect(page.locator(".board tbody tr")).to_have_count(12)


def test_new_events_and_readings_appear_without_a_reload(browser: Browser) -> None:
    """A run under way has its losses and its curve; an analysis adds a row, also while the server reads the log."""
    events = golden("normal")
    half = next(e.seq for e in events if e.type == "RunStarted" and e.experiment == "e0002")
    lab = RecordedLab(events[:half])
    lab.more_vitals = {"read": 0.5}
    for step in range(1, 30):
        lab.lose(LossPoint(run="e0002-a0", task="text", step=step, steps=40, loss=5 - step / 10))
    with served(lab) as url, opened(browser, url) as page:
        slot = page.locator('.slot[data-experiment="e0002"]')
        expect(slot).to_contain_text("training")
        expect(slot).to_contain_text("73%")
        expect(slot.locator("canvas")).to_have_count(1)
        expect(page.locator('[data-part="curves"] .chart')).to_have_attribute("data-points", "29")
        page.goto(url + "#/leaderboard")
        expect(page.locator(".board tbody tr")).to_have_count(6)
        expect(page.locator("#head .state")).to_have_text("reading the log, 50%")
        for envelope in events[half:-9]:
            lab.history.append(envelope)
        lab.more_vitals = {}
        lab.hub.tell("vitals", lab.vitals())
        expect(page.locator(".board tbody tr")).to_have_count(11)
        for envelope in events[-9:]:
            lab.add(envelope)
        expect(page.locator(".board tbody tr")).to_have_count(12)


def test_slots_beside_a_taller_one_keep_their_form(browser: Browser) -> None:
    """A curve makes one slot of a row taller; the pills of its neighbours stay pills, and designs have their names."""
    lab = RecordedLab(golden("normal")[:20])
    for step in range(1, 30):
        lab.lose(LossPoint(run="base-mamba2-a0", task="text", step=step, steps=40, loss=5 - step / 10))
    with served(lab) as url, opened(browser, url) as page:
        expect(page.locator(".slot canvas")).to_have_count(1)
        heights = page.locator(".slot .chip").evaluate_all("pills => pills.map(pill => pill.offsetHeight)")
        assert len(heights) == 4
        assert max(heights) < 25
        expect(page.locator(".slot .name").first).to_have_text("mamba2baseline")


def hostile(envelope: Envelope) -> Envelope:
    """Return an event with an attack in every text that people, models or candidates write."""
    event, text = envelope.event, ANY_ATTACK
    changes: dict[str, object] = {name: text for name in TEXTS if isinstance(getattr(event, name, None), str)}
    changes |= {"findings": (text,)} if hasattr(event, "findings") else {}
    return replace(envelope, event=event.model_copy(update=changes))


@pytest.fixture(scope="module")
def hostile_url() -> Iterator[str]:
    """Return the address of a page with attacks in every text, and in what a person said."""
    lab = RecordedLab(map(hostile, golden("normal")))
    spoken = HumanMessage(kind="steer", text=ANY_ATTACK, by="ada", source=ANY_ATTACK)
    lab.add(Envelope("f" * 32, "/lab/desk/1", lab.events[-1].time, lab.history.campaign, "campaign", spoken, seq=108))
    with served(lab) as url:
        yield url


@pytest.mark.parametrize("view", VIEWS)
def test_no_text_becomes_markup(browser: Browser, hostile_url: str, view: str) -> None:
    """With attacks in every text, none of their elements exists, none of their scripts runs, and the text is shown."""
    with opened(browser, f"{hostile_url}#/{view}") as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        ready(page)
        assert page.locator("#main img, #main script, #main iframe, #main [onerror], #main [onload]").count() == 0
        expect(page.locator("body")).to_contain_text("<img src=x")


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)], ids=["1280 light", "390 dark"])
def test_axe_finds_nothing_serious(browser: Browser, url: str, size: tuple[int, int], dark: bool) -> None:
    """In every view, wide and narrow, light and dark; and no view is wider than the screen."""
    for view in VIEWS:
        with opened(browser, f"{url}#/{view}", size, dark=dark) as page:
            ready(page)
            assert serious_findings(page) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
