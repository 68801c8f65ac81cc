"""The report as Markdown, and the log as a table: what a golden log says, and hostile text that stays text."""

from collections import Counter
from pathlib import Path

import duckdb
import pytest

from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiment, Experiments
from bus.wire.envelope import Envelope
from lab.operations.markdown_report import plain, render_markdown
from lab.operations.parquet import write_parquet
from lab.operations.replay import read_history
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.histories.archive import unpack


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Envelope]:
    """Return the events of a golden log."""
    return read_history(unpack("normal", tmp_path_factory.mktemp("log")))


def read(history: list[Envelope], folder: Path) -> tuple[CampaignStatus, tuple[Experiment, ...]]:
    """Return what memory says of a log."""
    with Store(folder / "memory.duckdb") as store:
        store.apply(history)
        status = answer(Knowledge(store), AskCampaignStatus())
        short = answer(Knowledge(store), AskExperiments())
        assert isinstance(short, Experiments)
        rows = answer(Knowledge(store), AskExperiments(ids=tuple(row.id for row in short.rows)))
    assert isinstance(status, CampaignStatus)
    assert isinstance(rows, Experiments)
    return status, rows.rows


def test_the_methods_paragraph_counts_what_the_log_holds(history: list[Envelope], tmp_path: Path) -> None:
    """Numbers of designs, events and baselines are those of the log."""
    status, rows = read(history, tmp_path)
    text = render_markdown(status, rows, Counter(one.type for one in history))
    tried = [row for row in rows if row.origin != "baseline"]
    analysed = sum(row.status == "analysed" for row in tried)
    assert f"Of {len(tried)} proposed designs, {analysed} were trained and scored" in text
    assert f"the log of {len(history)} events" in text
    assert status.started is not None
    assert all(plain(name) in text for name in status.started.baselines)
    assert text.count("\n| ") >= sum(row.fitness is not None for row in rows)


def test_hostile_text_stays_text(history: list[Envelope], tmp_path: Path) -> None:
    """Markup and line breaks of a name do not reach the page."""
    status, rows = read(history, tmp_path)
    name = "<script>alert(1)</script>\n# head | [x](http://example.com)"
    text = render_markdown(status, [row.model_copy(update={"name": name}) for row in rows], {})
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
