"""The whole report page: its parts, figures, warnings and size, for campaigns in every state."""

import re
import time
from collections.abc import Callable

import pytest

from bus.vocabulary.events import Measure, TaskMetrics
from bus.vocabulary.queries import CampaignStatus, Experiment, ForecastErrors, UnitEffect, UnitEffects
from dashboard.report.render import PAGE_BYTES, PARTS
from dashboard.report.scores import Scores
from dashboard.report.style import STYLE
from tests.support.factories import experiment

Make = Callable[..., list[Experiment]]


def test_every_part_is_present_and_linked(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """Without claims and controls, the report has all other parts in order, each with a link at the top."""
    page = read_page(render(make_campaign(20)))
    main = page.all("main")[0]
    ids = [n.attributes["id"] for n in main.children if n.tag == "section" and n.attributes.get("id")]
    expected = [name for name, _ in PARTS if name not in {"verification", "arms"}]
    assert ids == expected
    assert [a.attributes["href"] for a in page.all("nav")[0].all("a")] == [f"#{name}" for name in expected]


def test_ids_are_unique_and_links_have_targets(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """No id occurs twice, and every link leads to one."""
    page = read_page(render(make_campaign(20)))
    ids = [name for n in page.walk() if (name := n.attributes.get("id"))]
    assert len(ids) == len(set(ids))
    assert {a.attributes["href"] for a in page.all("a")} <= {f"#{name}" for name in ids}


def test_the_effects_of_units_have_their_intervals(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """The best comes first, and a campaign without effects has no such part."""
    experiments = make_campaign(20)
    rows = read_page(render(experiments)).by_id("effects").all("tbody")[0].all("tr")
    cells = [[cell.text for cell in row.children] for row in rows]
    assert cells[0] == ["update:delta", "9", "+1.200", "+0.400 to +2.000", "helps"]
    assert cells[1][-1] == "open"
    assert 'id="effects"' not in render(experiments, effects=UnitEffects())


def test_a_campaign_of_many_units_shows_the_best_and_the_worst(
    make_campaign: Make, render: Callable, read_page: Callable
) -> None:
    """Those in the middle are counted."""
    many = UnitEffects(
        rows=tuple(UnitEffect(unit=f"gate:{n}", designs=1, effect=-n, low=-n, high=-n) for n in range(90)), analysed=9
    )
    section = read_page(render(make_campaign(20), effects=many)).by_id("effects")
    names = [row.children[0].text for row in section.all("tbody")[0].all("tr")]
    assert (names[0], names[-1], len(names)) == ("gate:0", "gate:89", 60)
    assert "30 units in the middle" in section.text


def test_forecasts_are_held_against_results(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """In words, with the interval; what that leaves open is called open."""
    unsure = ForecastErrors(designs=9, correlation=0.4, low=-0.1, high=0.7, mean_absolute=1.0, bias=0.5)
    pages = [read_page(render(make_campaign(20), **known)) for known in ({}, {"forecasts": unsure})]
    sure, opened = (page.by_id("forecasts").text for page in pages)
    assert "+0.470 (+0.280 to +0.620)" in sure
    assert "1.00 worse on average" in sure
    assert ("told nothing" in sure, "told nothing" in opened) == (False, True)


def test_the_leaderboard_shows_the_experiments_figures(
    make_campaign: Make, render: Callable, read_page: Callable
) -> None:
    """Every analysed experiment has one row with its own figures; the rows are in the order of fitness."""
    experiments = make_campaign(20)
    rows = read_page(render(experiments)).by_id("leaderboard").all("tbody")[0].all("tr")
    ranked = Scores(experiments).ranked
    assert len(rows) == len(ranked)
    base = Scores(experiments).best_baseline
    assert base is not None
    for place, (row, e) in enumerate(zip(rows, ranked, strict=True), 1):
        cells = [cell.text for cell in row.children]
        parts = e.parts
        assert parts is not None
        assert cells[0] == str(place)
        assert cells[1].startswith(e.id)
        assert cells[3] == f"{e.fitness:.3f}"
        assert cells[4] == f"loss {parts.loss:.3f}, benchmark {parts.benchmark:.3f}, judge {parts.judge:.3f}"
        gain = (e.fitness or 0) - (base.fitness or 0)
        assert float(cells[5].replace("\N{MINUS SIGN}", "-")) == pytest.approx(gain, abs=6e-4)
        assert cells[6:] == [
            f"{e.val_loss:.3f}",
            f"{e.recall:.3f} ± {e.recall_stderr:.3f}",
            f"{e.parameters:,}",
            f"{e.seconds:.1f}",
        ]


def test_bar_lengths_are_proportional_to_the_parts(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """The lengths of the three bars are proportional to loss, benchmark and judge."""
    experiments = make_campaign(8)
    row = read_page(render(experiments)).by_id("leaderboard").all("tbody")[0].all("tr")[0]
    parts = Scores(experiments).ranked[0].parts
    assert parts is not None
    rail = float(row.all("rect", "rail")[0].attributes["width"])
    shares = [float(r.attributes["width"]) / rail for r in row.all("rect", "part")]
    assert shares == pytest.approx([parts.loss, parts.benchmark, parts.judge], abs=1e-3)


@pytest.mark.parametrize(("status", "text"), [("running", "pending"), ("quarantined", "in quarantine")])
def test_a_trained_experiment_without_fitness_has_a_row_without_a_rank(
    make_campaign: Make, render: Callable, read_page: Callable, status: str, text: str
) -> None:
    """Its row says whether it waits for its analysis or for a replication."""
    waiting = make_campaign(0)[0].model_copy(update={"status": status, "fitness": None, "parts": None})
    cells = read_page(render([waiting])).by_id("leaderboard").all("td")
    assert [cells[0].text, cells[2].text] == ["\N{EN DASH}", text]


def test_an_experiment_that_failed_after_its_training_has_no_row(
    make_campaign: Make, render: Callable, read_page: Callable
) -> None:
    """No replication confirmed its score; it is in the table of failures instead."""
    analysed, other, *_ = make_campaign(0)
    failed = other.model_copy(update={"status": "failed", "fitness": None, "parts": None})
    rows = read_page(render([analysed, failed])).by_id("leaderboard").all("tbody")[0].all("tr")
    assert [row.all("a")[0].text for row in rows] == [analysed.id]


def test_scores_of_further_tasks_are_shown(make_campaign: Make, render: Callable) -> None:
    """The cell for further tasks leaves out a task with a column of its own."""
    measures = {"loss": Measure(value=1.0), "accuracy": Measure(value=0.25, stderr=0.0)}
    kinds = {"again": "mqar", "copying": "mad.selective_copying"}
    further = {task: TaskMetrics(kind=kind, measures=measures) for task, kind in kinds.items()}
    page = render([experiment(recall=0.25, further=further, fitness=0.5)])
    assert "again 0.250 · copying 0.250" in page
    assert "recall 0.250 ·" not in page


def test_a_screening_score_is_not_called_a_discovery(
    make_campaign: Make, render: Callable, read_page: Callable
) -> None:
    """The page says that its scores are from one seed and that no fresh seed has confirmed a candidate."""
    text = read_page(render(make_campaign(20))).all("body")[0].text
    assert "discover" not in text.lower()
    assert "screening scores: one seed" in text
    assert "No candidate has been tested on fresh seeds" in text


def test_a_confirmation_is_reported(make_campaign: Make, render: Callable) -> None:
    """The page counts the confirmed discoveries and the refuted candidates of the log."""
    page = render(make_campaign(8), events={"DiscoveryConfirmed": 1, "DiscoveryRefuted": 2})
    assert "1 confirmed discovery" in page
    assert "2 candidates did not pass the test on fresh seeds" in page
    assert "No candidate has been tested" not in page


@pytest.mark.parametrize(("sandbox", "warnings"), [("none", 1), ("bwrap", 0)])
def test_a_missing_sandbox_gives_a_warning(
    make_campaign: Make, render: Callable, read_page: Callable, sandbox: str, warnings: int
) -> None:
    """The head warns if the candidates ran without a sandbox."""
    paragraphs = read_page(render(make_campaign(3), sandbox=sandbox)).all("header")[0].all("p", "warning")
    assert [warning.text[:11] for warning in paragraphs] == ["No sandbox."] * warnings


def test_the_summary_counts_experiments_by_their_end(
    make_campaign: Make, render: Callable, read_page: Callable
) -> None:
    """The counts leave out the baselines."""
    experiments = make_campaign(30)
    statuses = [e.status for e in experiments if e.origin != "baseline"]
    lead = read_page(render(experiments)).all("p", "lead")[0].text
    counts = {
        "experiments in addition to 6 baselines": 30,
        "trained and analysed": statuses.count("analysed"),
        "given up": statuses.count("failed"),
        "rejected": statuses.count("rejected"),
    }
    for text, count in counts.items():
        assert f"{count} {text}" in lead
    assert "7 min 11 s" in render(experiments)


def test_a_record_is_complete(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """A record has motivation, findings, problem, cognition, failures with repairs, design and source."""
    experiments = make_campaign(20)
    page = read_page(render(experiments))
    for e in experiments:
        record = page.by_id(e.id)
        texts = (e.motivation, *e.findings, e.problem, *e.cognition, e.source.strip())
        assert all(text in record.text for text in texts)
        assert all(f.message in record.text and f.repair in record.text for f in e.failures)
        assert not e.design or all(unit in record.text for unit in re.findall(r"'([^']+)'", str(e.design)))


def test_failures_are_counted_by_kind(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """Every kind of failure has a row with its count."""
    experiments = make_campaign(60)
    rows = read_page(render(experiments)).by_id("failures").all("tbody")[0].all("tr")
    counts = {(r.children[0].text, r.children[1].text): int(r.children[2].text) for r in rows}
    statuses = [e.status for e in experiments]
    assert counts == {
        ("gate", "causality"): statuses.count("failed"),
        ("train", "anomaly:diverged"): statuses.count("failed"),
        ("idea", "near_motivation"): statuses.count("rejected"),
    }


def test_an_empty_log_gives_a_page(render: Callable, read_page: Callable) -> None:
    """The page says that there is no campaign and names the command that starts one."""
    page = read_page(render([], status=CampaignStatus(), started=None, ended=None, events={}))
    assert "The log holds no campaign yet" in page.text
    assert page.by_id("next").all("code")[0].text == "move37 run"
    assert not page.all("table")


@pytest.mark.parametrize("status", ["queued", "running", "quarantined", "failed", "rejected"])
def test_a_campaign_without_scores_gives_a_page(
    make_campaign: Make, render: Callable, read_page: Callable, status: str
) -> None:
    """It has lineage and records, and neither leaderboard nor empty pictures."""
    unscored = [
        Experiment.model_validate({"id": e.id, "status": status, "reason": "timeout"}) for e in make_campaign(5)
    ]
    page = read_page(render(unscored, ended=None))
    assert {s.attributes.get("id") for s in page.all("main")[0].all("section")} - {None} == {
        "lineage", "records", "failures", "next",
    }  # fmt: skip
    assert "No candidate has a score yet" in page.text


def test_baselines_alone_give_a_page(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """It has a leaderboard and no comparison."""
    page = read_page(render(make_campaign(0)))
    assert "No candidate has a score yet" in page.text
    assert len(page.by_id("leaderboard").all("tbody")[0].all("tr")) == 6


def test_candidates_alone_give_a_page(make_campaign: Make, render: Callable) -> None:
    """It says that there is no baseline to compare the best candidate with."""
    assert "No baseline has a score to compare it with" in render(
        [e for e in make_campaign(9) if e.origin == "genetic"]
    )


def test_a_large_campaign_gives_a_small_page_within_two_seconds(make_campaign: Make, render: Callable) -> None:
    """Five hundred experiments take at most two seconds of CPU time; the page says what it leaves out."""
    experiments = [e.model_copy(update={"source": e.source * 9}) for e in make_campaign(500)]
    start = time.process_time()
    page = render(experiments)
    assert time.process_time() - start < 2.0
    assert len(page.encode()) <= PAGE_BYTES + 20_000
    assert "Left out to keep this page small" in page


def test_the_same_campaign_gives_the_same_page(make_campaign: Make, render: Callable) -> None:
    """A report depends on its arguments alone."""
    assert render(make_campaign(12)) == render(make_campaign(12))


def test_pictures_and_tables_are_accessible(make_campaign: Make, render: Callable, read_page: Callable) -> None:
    """A picture has title and description, or a label, or is decoration; tables have captions and scopes."""
    page = read_page(render(make_campaign(20)))
    for picture in page.all("svg"):
        labels = (picture.attributes.get("aria-labelledby") or "").split()
        assert picture.attributes.get("aria-hidden") or picture.attributes.get("aria-label") or labels
        assert all(page.by_id(label).text for label in labels)
    for table in page.all("table"):
        assert table.all("caption")
        assert all(head.attributes.get("scope") for head in table.all("th"))


def _luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_have_enough_contrast(theme: int) -> None:
    """Text has a contrast of 4.5 : 1, lines with data have 3 : 1 (WCAG AA), in both themes."""
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(ink, on, 4.5) for ink in ("ink", "quiet", "accent") for on in ("paper", "card")]
    pairs += [("warn", "warn-paper", 4.5), ("quiet", "band", 4.5), ("bad", "paper", 3.0), ("dot-rim", "paper", 3.0)]
    pairs += [(f"c{i}", "paper", 3.0) for i in range(5)]
    for front, back, min_contrast in pairs:
        light, dark = sorted((_luminance(colours[front]), _luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= min_contrast, f"{front} on {back}"


@pytest.mark.parametrize(("finished", "offered"), [(True, False), (False, True)])
def test_only_an_unfinished_campaign_can_be_resumed(
    make_campaign: Make, make_status: Callable, render: Callable, read_page: Callable, finished: bool, offered: bool
) -> None:
    """The page lists the command to resume only if the campaign is not finished."""
    experiments = make_campaign(3)
    page = read_page(render(experiments, status=make_status(experiments, finished=finished)))
    assert ("move37 run" in [c.text for c in page.by_id("next").all("code")]) is offered
