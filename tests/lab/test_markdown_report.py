"""The report as Markdown, and the log as a table: what a golden log says, and hostile text that stays text."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from bus.vocabulary.events import CampaignStarted, ResearcherProgram
from bus.wire.envelope import Envelope
from lab.operations.markdown_report import render_markdown
from lab.operations.markdown_text import plain
from lab.operations.parquet import write_parquet
from lab.operations.replay import read_history
from lab.operations.report import read_results
from tests.histories.archive import unpack
from tests.support.labs import ROOT


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Envelope]:
    """Return the events of a golden log."""
    return read_history(unpack("normal", tmp_path_factory.mktemp("log")))


def test_the_methods_paragraph_counts_what_the_log_holds(history: list[Envelope]) -> None:
    """Numbers of designs, events and baselines are those of the log."""
    results = read_results(history)
    text = render_markdown(results, Counter(one.type for one in history))
    status, rows = results.status, results.experiments
    tried = [row for row in rows if row.origin != "baseline"]
    analysed = sum(row.status == "analysed" for row in tried)
    assert f"Of {len(tried)} proposed designs, of a budget of " in text
    assert f", {analysed} were trained and scored" in text
    assert f"the log of {len(history)} events" in text
    assert status.started is not None
    assert all(plain(name) in text for name in status.started.baselines)
    assert text.count("\n| ") >= sum(row.fitness is not None for row in rows)


def test_a_vetoed_design_is_not_ranked(history: list[Envelope]) -> None:
    """The result then names the next one."""
    results = read_results(history)
    best = min((row for row in results.experiments if row.fitness is not None), key=lambda row: row.rank_key)
    rows = [row.model_copy(update={"vetoed": row.id == best.id}) for row in results.experiments]
    before, after = (render_markdown(one, {}) for one in (results, replace(results, experiments=rows)))
    assert f"| 1 | `{best.id}`" in before
    assert f"`{best.id}`" not in after.split("## Leaderboard")[1].split("##")[0]


def test_a_campaign_with_verification_tells_its_plan_and_every_look() -> None:
    """Of a real log: the plan in words, a row for each look, the verdicts, the control arms and the prior."""
    history = read_history(ROOT / "docs" / "campaigns" / "prior-seed13.jsonl.gz")
    results = read_results(history)
    text = render_markdown(results, Counter(one.type for one in history))
    for part in (
        "as soon as 12, 24, 36 or 48 designs were settled",
        "nano (at most 4 candidates, judged after 5, 10 or 20 seeds)",
        "compared with the best baseline by gains",
        "held at 5%",
        "2 candidates got a verdict: 2 confirmed, 0 refuted",
        "2 discoveries were confirmed on fresh seeds and sealed text",
        "12 were the best of an earlier campaign and came first, 12 were proposed by mutation and crossover",
        "(10%)",
        "| 325 | `e0023` | micro | 10 | `base-mamba2` | +0.0168 | +0.0106 to +0.0231 | 502 of 40 | passed |",
        "- `e0001` was confirmed (event 258)",
    ):
        assert part in text
    assert results.status.started
    started = results.status.started.model_copy(update={"verification": None})
    unverified = replace(results, status=results.status.model_copy(update={"started": started}), verification=None)
    assert "No candidate was verified" in render_markdown(unverified, {})
    early = read_results(history, 200)
    assert early.verification
    assert (early.status.last_seq, [look.seq for look in early.verification.evidence]) == (200, [152, 189])


def test_a_campaign_that_tunes_learning_rates_says_so() -> None:
    """A reader of its claims must know which rates they are at."""
    history = read_history(ROOT / "docs" / "campaigns" / "tuned-seed31.jsonl.gz")
    text = render_markdown(read_results(history), Counter(one.type for one in history))
    assert "trained with 0.5, 1 or 2 times the scale's learning rates" in text
    assert "1 discovery was confirmed on fresh" in text
    assert "with 1 experiment at a time" in text
    assert "1 candidate got a verdict" in text


def test_a_campaign_under_a_program_says_which(history: list[Envelope]) -> None:
    """Its name and the hash of its source, and the event that promoted it."""
    program = ResearcherProgram(name="evolved_1f2e", digest="ab" * 32, source="POLICY = 1", promotion="d1e2")
    start = history[0]
    assert isinstance(start.event, CampaignStarted)
    event = start.event.model_copy(update={"policy": "program:evolved_1f2e", "researcher": program})
    text = render_markdown(read_results([replace(start, event=event), *history[1:]]), {})
    assert f"under the search policy {plain('program:evolved_1f2e')}" in text
    assert "(SHA-256 abababababab); the event d1e2 promoted it." in text


def test_hostile_text_stays_text(history: list[Envelope]) -> None:
    """Markup and line breaks of a name do not reach the page."""
    results = read_results(history)
    name = "<script>alert(1)</script>\n# head | [x](http://example.com)"
    renamed = [row.model_copy(update={"name": name}) for row in results.experiments]
    text = render_markdown(replace(results, experiments=renamed), {})
    assert "<script>" not in text
    assert "\n# head" not in text
    assert "[x](" not in text


def test_a_log_becomes_a_table(history: list[Envelope], tmp_path: Path) -> None:
    """Every event is a row; its data can be asked for as JSON."""
    file = tmp_path / "log.parquet"
    assert write_parquet(file, history) == len(history)
    with duckdb.connect() as database:
        rows = database.execute(
            "SELECT count(*), count(DISTINCT seq), max(data->>'$.goal') FROM read_parquet(?)", [str(file)]
        ).fetchone()
    assert rows is not None
    assert rows[:2] == (len(history), len(history))
    assert rows[2]
