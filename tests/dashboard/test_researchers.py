"""The view of researcher programs: figures by split, lineage and source, apart from the experiments."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Route, expect

from bus.vocabulary.events import (
    Event,
    FamilyFigures,
    HumanMessage,
    ResearcherEvaluated,
    ResearcherPromoted,
    ResearcherProposed,
    Split,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive
from dashboard.history.history import summary
from tests.support.browser import NARROW, WIDE, needs_chromium, opened, serious_findings
from tests.support.factories import campaign_started
from tests.support.recorded_lab import RecordedLab, served

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHA = "0" * 64


def proposed(number: int, name: str, *parents: str) -> ResearcherProposed:
    """Return the proposal of a program."""
    source = f'"""{name}."""\n\nSIZE = {number}\n'
    operator = "part" if parents else "seed"
    return ResearcherProposed(
        number=number, name=name, operator=operator, parents=parents, source=source, source_sha256=SHA
    )


def evaluated(split: Split, fitness: float | None) -> ResearcherEvaluated:
    """Return an evaluation; None is a failure."""
    families = {"nk": FamilyFigures(gains=(0.1, 0.2), designs=10, cpu_seconds=1.5)} if fitness is not None else {}
    failed = "" if fitness is not None else "raised: it fell <b>over"
    return ResearcherEvaluated(split=split, source_sha256=SHA, families=families, fitness=fitness, failed=failed)


PROMOTED = ResearcherPromoted(
    source_sha256=SHA, over="s-two-tier", gain=0.4, interval=(0.1, 0.7), landscapes=12, evidence=("a", "b")
)
STORY: tuple[tuple[str, Event], ...] = (
    (CAMPAIGN, campaign_started(experiments=2)),
    ("s-two-tier", proposed(0, "seed_two_tier")), ("s-two-tier", evaluated("search", 0.2)),
    ("p0001", proposed(1, "evolved_aa", "s-two-tier")), ("p0001", evaluated("search", None)),
    ("p0002", proposed(2, "evolved_bb", "s-two-tier")), ("p0002", evaluated("search", 0.5)),
    ("p0002", evaluated("validation", 0.4)), ("p0002", evaluated("held_out", 0.3)), ("p0002", PROMOTED),
    (CAMPAIGN, HumanMessage(kind="veto", text="too slow", by="ada", target="p0001")),
)  # fmt: skip


def envelopes() -> Iterator[Envelope]:
    """Yield a campaign over three programs, one of which fails and one of which is promoted."""
    for seq, (experiment, event) in enumerate(STORY, 1):
        time = STARTED + timedelta(seconds=seq)
        yield Envelope(derive("story", str(seq)), "/lab/lab/1", time, "meta-0-aaaa", experiment, event, seq=seq)


def test_programs_have_rows_that_count_as_no_experiments() -> None:
    """Fitness by split, CPU seconds over all splits, the promotion, and a person's veto."""
    history = RecordedLab(envelopes()).history
    row = history.rows["p0002"]
    assert (row["search"], row["validation"], row["held_out"], row["cpu_seconds"]) == (0.5, 0.4, 0.3, 4.5)
    assert (row["parent"], row["over"], row["promotion"]) == ("s-two-tier", "s-two-tier", [0.4, 0.1, 0.7])
    assert history.rows["p0001"]["vetoed"]
    assert "promotion" not in history.rows_at(9)["p0002"]
    assert summary(history.rows)["statuses"] == {}


@needs_chromium
def test_programs_are_listed_and_opened(browser: Browser) -> None:
    """The best first; a program shows its line and how its source differs from its parent's."""
    with served(RecordedLab(envelopes())) as url, opened(browser, url + "#/now") as page:
        page.get_by_role("link", name="Researchers").click()
        rows = page.locator("table.programs tbody tr")
        assert rows.evaluate_all("rows => rows.map(row => row.dataset.id)") == ["p0002", "s-two-tier", "p0001"]
        expect(rows.nth(0)).to_contain_text("promoted")
        expect(page.locator(".verdicts li")).to_contain_text("+0.400 over s-two-tier, +0.100 to +0.700")
        rows.nth(0).get_by_role("link", name="p0002").click()
        expect(page.locator(".path li").last).to_contain_text("+0.300")
        expect(page.locator(".diff .line.come")).to_have_count(2)
        page.goto(url + "#/leaderboard")
        expect(page.locator(".board tbody tr")).to_have_count(0)


@needs_chromium
def test_a_log_without_programs_has_no_entry(browser: Browser) -> None:
    """At an earlier position too."""
    with served(RecordedLab(envelopes())) as url, opened(browser, url + "#/now?at=1") as page:
        expect(page.locator("#head .state")).to_have_text("the past")
        expect(page.get_by_role("link", name="Researchers")).to_have_count(0)
        page.goto(url + "#/researchers")
        expect(page.locator("#main")).to_contain_text("no researcher programs")


@needs_chromium
def test_a_link_followed_while_the_page_reads_keeps_the_position(browser: Browser) -> None:
    """The address named it when the page was opened."""
    held: list[Route] = []
    with served(RecordedLab(envelopes())) as url, opened(browser, url + "#/now") as page:
        page.route("**/api/session", lambda route: held.append(route))  # noqa: PLW0108  (Playwright takes no builtin)
        page.goto(url + "?again#/now?at=1")
        page.evaluate("location.hash = '#/researchers'")
        held[0].continue_()
        expect(page.locator("#main")).to_contain_text("no researcher programs")


@needs_chromium
@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)], ids=["1280 light", "390 dark"])
def test_axe_finds_nothing_serious(browser: Browser, size: tuple[int, int], dark: bool) -> None:
    """In the list and on a program's page, and neither is wider than the screen."""
    with served(RecordedLab(envelopes())) as url:
        for view in ("researchers", "researchers/p0002"):
            with opened(browser, f"{url}#/{view}", size, dark=dark) as page:
                expect(page.locator("#main h1")).to_be_visible()
                assert serious_findings(page) == [], view
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
