"""The views that lead out of one campaign: the commands of a fork, and another campaign next to this one."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from typer.main import get_command

from bus.vocabulary.events import ExperimentImported
from dashboard.bundle import bundle
from lab.commands import command_line
from tests.support.browser import NARROW, WIDE, needs_chromium, opened, serious_findings
from tests.support.recorded_lab import KEY, RecordedForks, RecordedLab, golden, served

pytestmark = needs_chromium
CHANGE = "don't use a window; rm -rf $HOME `id`"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the page's address of a golden log."""
    with served(RecordedLab(golden("normal"))) as url:
        yield url


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported page of another golden log."""
    lab = RecordedLab(golden("veto"))
    path = tmp_path_factory.mktemp("exported") / "other.html"
    path.write_text(bundle(lab.history, lab.events, lab.standing()), encoding="utf-8")
    return path


def commands(page: Page) -> list[str]:
    """Return the commands that the page shows."""
    return page.locator(".commands code").all_inner_texts()


def test_the_scrubber_leads_to_the_commands_of_a_fork(browser: Browser, url: str) -> None:
    """They have the position that the scrubber shows, and follow it."""
    with opened(browser, url + "#/leaderboard") as page:
        page.get_by_label("Position in the log").fill("50")
        expect(page.locator("#scrubber")).to_contain_text("as of position 50")
        page.get_by_role("link", name="what if …").click()
        expect(page.locator(".commands code").first).to_have_text("move37 fork .move37 --at 50 --home whatif --run")
        page.get_by_label("Position in the log").fill("30")
        expect(page.locator(".commands code").first).to_have_text("move37 fork .move37 --at 30 --home whatif --run")
        expect(page.locator('[data-part="then"] .log li')).to_have_count(3)


def test_the_commands_of_a_fork_are_those_of_the_command_line(browser: Browser, url: str) -> None:
    """`move37` reads each as it is meant, whatever a person writes into the fields."""
    with opened(browser, url + "#/fork?at=40") as page:
        page.get_by_label("What to tell the lab there").fill(CHANGE)
        page.get_by_label("The log or the home to fork").fill("old logs/c.jsonl")
        page.get_by_label("Home of the fork").fill("it's")
        page.get_by_label("Experiments", exact=True).fill("9")
        page.get_by_label("Search policy").fill("my policy.py")
        page.get_by_label("Seed of the search").fill("3")
        page.get_by_label("Language models").select_option("settings")
        shown = commands(page)
    parsed = {}
    for words in map(shlex.split, shown):
        assert words[0] == "move37"
        command = get_command(command_line()).commands[words[1]]  # pyright: ignore[reportAttributeAccessIssue]
        parsed[words[1]] = command.make_context(words[1], words[2:]).params
    assert list(parsed) == ["fork", "compare"]
    fork = parsed["fork"]
    assert (str(fork["log"]), fork["at"], str(fork["home"])) == ("old logs/c.jsonl", 40, "it's")
    assert (fork["say"], fork["run"], fork["experiments"]) == (CHANGE, True, 9)
    assert (fork["policy"], fork["seed"], fork["models"]) == ("my policy.py", 3, "settings")
    assert [str(path) for path in parsed["compare"]["logs"]] == ["old logs/c.jsonl", "it's"]


def test_the_commands_are_there_at_a_second_visit_too(browser: Browser, url: str) -> None:
    """And every field changes them, whichever was changed before."""
    with opened(browser, url + "#/fork?at=40") as page:
        page.evaluate("location.hash = '#/leaderboard'")
        expect(page.locator("#main h1")).to_have_text("Leaderboard")
        page.evaluate("location.hash = '#/fork?at=40'")
        page.get_by_label("Seed of the search").fill("7")
        page.get_by_label("Home of the fork").fill("mine")
        expect(page.locator(".commands code").first).to_have_text(
            "move37 fork .move37 --at 40 --home mine --seed 7 --run"
        )


def test_a_person_starts_a_fork_from_the_scrubber_and_stops_it(browser: Browser) -> None:
    """Where the home is next to the server: the page shows that it runs and where, how to open it, and its end."""
    forks = RecordedForks()
    lab = RecordedLab(golden("normal"), forks)
    with served(lab) as url, opened(browser, url + "#/fork?at=50") as page:
        page.get_by_text("Sign in to start it here").click()
        page.get_by_label("Key", exact=True).last.fill(KEY)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Experiment", exact=True)).to_be_hidden()
        page.get_by_label("What is different").select_option("veto")
        expect(page.get_by_label("What to tell the lab there")).to_be_hidden()
        page.get_by_label("Experiment", exact=True).fill("e0002")
        page.get_by_label("Search policy").select_option("random")
        page.get_by_label("Language models").select_option("none")
        page.get_by_role("button", name="Start the fork").click()
        listed = page.locator(".forks > li")
        expect(listed).to_have_attribute("data-state", "running")
        expect(listed).to_contain_text("from position 50, by ada")
        expect(listed).to_contain_text("policy random; models none")
        expect(listed.get_by_role("link", name="Open its dashboard")).to_have_attribute("href", forks.forks[0]["page"])
        assert {name: forks.forks[0][name] for name in ("at", "text", "experiments", "models")} == {
            "at": 50, "text": "veto e0002", "experiments": None, "models": "none",
        }  # fmt: skip
        listed.get_by_text("Compare it").click()
        expect(listed.locator("code").first).to_have_text("move37 compare /labs/one /labs/one/forks/at-50")
        assert serious_findings(page) == []
        page.get_by_role("button", name="Stop at-50").click()
        expect(listed).to_have_attribute("data-state", "ended")
        expect(listed).to_contain_text("report: r")


def test_two_campaigns_stand_next_to_each_other(browser: Browser, url: str, other: Path) -> None:
    """The other one comes from an exported page; its figures are its own."""
    with opened(browser, url + "#/compare") as page:
        page.get_by_role("link", name="Two campaigns").click()
        page.get_by_label("Exported page of the other campaign").set_input_files(other)
        table = page.locator("table.compare")
        expect(table.locator("thead th")).to_have_count(3)
        ended = table.locator("tbody tr", has=page.get_by_role("rowheader", name="candidates that ended"))
        expected = [sum("ended" in row and row.get("origin") != "baseline" for row in history.rows.values())
                    for history in (RecordedLab(golden(name)).history for name in ("normal", "veto"))]  # fmt: skip
        assert ended.locator("td").all_inner_texts() == [str(each) for each in expected]
        expect(page.locator(".chart")).to_have_attribute("data-series", "2")
        page.goto(url + "#/now")
        expect(page.locator(".headline")).to_contain_text("6 analysed")


def test_imported_experiments_are_no_candidates_that_were_given_up(browser: Browser, other: Path) -> None:
    """Nothing here has tried them, so neither count has them."""
    log = golden("normal")
    event = ExperimentImported(
        name="n", motivation="m", source="class Mixer: pass", history="h.jsonl", foreign_id="7", scores={}, merit=None
    )
    lab = RecordedLab([*log, replace(log[-1], event=event, experiment="i-0123456789ab", seq=108, id="f" * 32)])
    with served(lab) as url, opened(browser, url + "#/campaigns") as page:
        page.get_by_label("Exported page of the other campaign").set_input_files(other)
        for head, count in (("candidates that ended", "8"), ("given up or rejected", "2")):
            row = page.locator("table.compare tbody tr", has=page.get_by_role("rowheader", name=head))
            expect(row.locator("td").first).to_have_text(count)


def test_a_file_that_is_no_exported_page_is_refused(browser: Browser, url: str, tmp_path: Path) -> None:
    """One line says what to choose."""
    (tmp_path / "notes.html").write_text("<p>notes")
    with opened(browser, url + "#/campaigns") as page:
        page.get_by_label("Exported page of the other campaign").set_input_files(tmp_path / "notes.html")
        expect(page.locator(".error")).to_contain_text("hint: write one with move37 export-page")


@pytest.mark.parametrize(("size", "dark"), [(WIDE, True), (NARROW, False)], ids=["1280 dark", "390 light"])
def test_axe_finds_nothing_serious(browser: Browser, url: str, other: Path, size: tuple[int, int], dark: bool) -> None:
    """And neither view is wider than the screen."""
    for view in ("fork?at=50", "campaigns"):
        with opened(browser, f"{url}#/{view}", size, dark=dark) as page:
            expect(page.locator("#main h1")).to_be_visible()
            if view == "campaigns":
                page.get_by_label("Exported page of the other campaign").set_input_files(other)
                expect(page.locator(".chart canvas")).to_have_count(1)
            assert serious_findings(page) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
