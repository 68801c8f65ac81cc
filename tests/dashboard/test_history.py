"""The history folds a log into rows and entries, as of any event; golden logs are the examples."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from bus.vocabulary.events import LossPoint
from dashboard.history.history import CampaignHistory, fold, summary
from dashboard.history.log_filter import LogFilter
from dashboard.history.readings import MAX_POINTS, MAX_RUNS, Readings
from lab.client.event_text import event_text
from tests.support.recorded_lab import golden

FILTERS = json.loads((Path(__file__).parent / "log_filters.json").read_text())
LOGS = ("normal", "veto", "anomaly", "self-revision", "model", "crash")


def history_of(name: str) -> CampaignHistory:
    """Return the history of a golden log."""
    history = CampaignHistory("c", event_text)
    for envelope in golden(name):
        history.append(envelope)
    return history


@pytest.mark.parametrize("name", LOGS)
def test_rows_as_of_any_event_are_those_of_the_log_up_to_it(name: str) -> None:
    """Folding the changes gives what a history of the shorter log has."""
    whole, growing = history_of(name), CampaignHistory("c", event_text)
    for envelope in golden(name):
        growing.append(envelope)
        assert whole.rows_at(envelope.seq) == growing.rows
    assert fold(whole.entries) == whole.rows


@pytest.mark.parametrize("name", LOGS)
def test_what_differs_between_two_positions_leads_from_one_to_the_other(name: str) -> None:
    """Forwards and backwards, for positions all over the log."""
    history = history_of(name)
    positions = [*range(1, history.last, max(1, history.last // 7)), history.last]
    for shown, at in itertools.product(positions, repeat=2):
        rows, gone = history.rows_between(shown, at)
        before = {name: row for name, row in history.rows_at(shown).items() if name not in gone}
        assert before | {row["id"]: row for row in rows} == history.rows_at(at)


def test_a_finished_campaign_has_ended_experiments_only() -> None:
    """The counts agree with those of CampaignFinished."""
    history = history_of("normal")
    figures = summary(history.rows)
    assert figures["campaign"]["state"] == "finished"
    assert (figures["ended"], figures["total"]) == (14, 14)
    assert figures["statuses"] == {"analysed": 12, "failed": 2}


def test_a_veto_is_shown_in_the_row_of_its_experiment() -> None:
    """It holds from its position on."""
    history = history_of("veto")
    spoken = next(entry for entry in history.entries if entry.changes.get("vetoed"))
    assert spoken.type == "HumanMessage"
    assert "vetoed" not in history.rows_at(spoken.seq - 1)[spoken.target]
    assert history.rows_at(spoken.seq)[spoken.target]["vetoed"]


def test_a_replicated_score_is_the_worse_of_both_runs() -> None:
    """As in memory, no second draw flatters a suspicious result."""
    history = history_of("normal")
    runs = [e.event.metrics for e in golden("normal") if e.type == "RunCompleted" and e.experiment == "e0005"]
    assert len(runs) == 2
    assert history.rows["e0005"]["loss"] == pytest.approx(max(run.val_loss for run in runs), rel=1e-5)


def test_what_people_say_has_effects_across_roles() -> None:
    """A proposal becomes an experiment, guidance reaches later slots, and a veto stops a run."""
    history = history_of("veto")
    spoken = {
        entry.text.split("(")[1].split(")")[0]: entry for entry in history.entries if entry.type == "HumanMessage"
    }
    led_to = {kind: {effect.type for effect in history.effects(entry.id)} for kind, entry in spoken.items()}
    assert "ProposalCreated" in led_to["propose"]
    assert "ProposalRequested" in led_to["steer"]
    assert "RunFailed" in led_to["veto h-2be89a96"]


def test_pages_of_the_log_are_newest_first() -> None:
    """Pages follow one another without gaps, and the total counts all matches."""
    history = history_of("normal")
    first, total = history.page("", limit=40)
    second, _ = history.page("", before=first[-1].seq, limit=40)
    assert [entry.seq for entry in (*first, *second)] == list(range(107, 27, -1))
    assert total == 107
    failed, matches = history.page("type:CodeFailed", at=60)
    assert matches == len(failed)
    assert all(entry.seq <= 60 and entry.type == "CodeFailed" for entry in failed)


def test_causes_and_effects_are_known() -> None:
    """Each entry with a cause in the log is among that cause's effects."""
    history = history_of("normal")
    for entry in history.entries:
        cause = history.find(entry.cause) if entry.cause else None
        assert cause is None or entry in history.effects(cause.id)
    assert history.find("nothing") is None


@pytest.mark.parametrize(("text", "positions"), FILTERS["cases"])
def test_filters_choose_entries(text: str, positions: list[int]) -> None:
    """The same cases hold for the page's own filter (`tests/dashboard/test_browser.py`)."""
    entries = [SimpleNamespace(**entry) for entry in FILTERS["entries"]]
    assert [entry.seq for entry in entries if LogFilter.parse(text).matches(entry)] == positions


@pytest.mark.parametrize("text", [*FILTERS["refused"], " ".join("abcdefghijklmnopqrstuvwxyz")])
def test_a_filter_that_can_not_be_read_is_refused(text: str) -> None:
    """The error says what to write."""
    with pytest.raises(ValueError, match="hint"):
        LogFilter.parse(text)


def test_readings_are_bounded() -> None:
    """A long run is thinned over its whole length, and old runs are forgotten."""
    readings = Readings()
    for step in range(10 * MAX_POINTS):
        readings.add(LossPoint(run="e1-a0", task="text", step=step, steps=10 * MAX_POINTS, loss=1.0))
    series = readings.of("e1-a0")["text"]
    assert len(series) < MAX_POINTS
    assert series[0][0] == 0
    for number in range(MAX_RUNS):
        readings.add(LossPoint(run=f"x{number}-a0", task="text", step=1, steps=2, loss=1.0))
    assert readings.of("e1-a0") == {}
    assert len(readings.progress) == MAX_RUNS
