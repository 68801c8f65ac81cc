"""The live view: its state, built from events, and its text on a terminal; and the text of single events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CodeFailed,
    Event,
    FitnessParts,
    HumanMessage,
    Limits,
    LossPoint,
    ProposalCreated,
    ProposalRequested,
    RunAnomaly,
    RunRequested,
    RunStarted,
)
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.event_text import event_line, notable_line
from lab.terminal.live_view import render
from tests.support.factories import campaign_started, run_completed

RESULT = run_completed("e0001-a0", val_loss=1.5, recall=0.9)
READY = AnalysisReady(fitness=0.7, parts=FitnessParts(loss=0.7, benchmark=0.7, judge=0.7), findings=("f",), problem="p")


def envelope(experiment: str, event: Event) -> Envelope:
    """Return an event in an envelope."""
    return Envelope("i", "/lab/x/1", datetime(2026, 1, 1, tzinfo=UTC), "c", experiment, event)


def training_view() -> CampaignView:
    """Return a view of a campaign with one experiment in training."""
    view = CampaignView("c")
    view.apply(envelope("campaign", campaign_started(experiments=2, slots=2, baselines=("gla",))))
    view.apply(envelope("e0001", ProposalRequested(slot=1, arm="guided")))
    view.apply(envelope("e0001", ProposalCreated(name="delta [x]", motivation="m", source="s", origin="genetic")))
    request = RunRequested(
        run="e0001-a0", attempt=0, source="s", scale="nano", seed=0, limits=Limits(seconds=1, memory_mb=1)
    )
    view.apply(envelope("e0001", request))
    view.apply(envelope("e0001", RunStarted(run="e0001-a0", worker="1", width=64, parameters=1000, gates=())))
    return view


def complete(view: CampaignView) -> None:
    """Add the experiment's result and its analysis."""
    view.apply(envelope("e0001", RESULT))
    view.apply(envelope("e0001", READY))


def screen_text(view: CampaignView) -> str:
    """Return the text on a terminal of 120 columns."""
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(view))
    return capture.get()


def test_a_training_run_shows_stage_losses_and_progress() -> None:
    """A loss point of the newest run updates its row; one of another attempt does not."""
    view = training_view()
    view.add_loss_point(LossPoint(run="e0001-a0", task="recall", step=50, steps=200, loss=1.25))
    (row,) = view.open_rows()
    assert (row.stage, row.progress, row.losses) == ("training", 0.25, {"recall": 1.25})
    view.add_loss_point(LossPoint(run="e0001-a9", task="recall", step=60, steps=200, loss=9.0))
    assert [(point.step, point.loss) for point in row.curve] == [(50, 1.25)]
    text = screen_text(view)
    assert "recall 1.250" in text
    assert "delta [x]" in text


def test_a_result_moves_from_the_slots_to_the_leaderboard() -> None:
    """An analysed experiment is on the leaderboard with its scores."""
    view = training_view()
    assert "leaderboard" not in screen_text(view), "no experiment has a fitness yet"
    complete(view)
    assert not view.open_rows()
    assert [row.id for row in view.leaders()] == ["e0001"]
    assert "0.700" in screen_text(view)


def test_a_vetoed_experiment_leads_only_after_it_is_restored() -> None:
    """As in memory, a veto takes it out of the ranking until a person restores it."""
    view = training_view()
    complete(view)
    view.apply(envelope("campaign", HumanMessage(kind="veto", text="", target="e0001")))
    view.apply(envelope("campaign", HumanMessage(kind="veto", text="", target="e9999")))
    assert view.leaders() == []
    view.apply(envelope("campaign", HumanMessage(kind="restore", text="", target="e0001")))
    assert [row.id for row in view.leaders()] == ["e0001"]


def test_a_quarantined_result_is_shown_and_not_ranked() -> None:
    """It is ranked once its replication is analysed, with the worse of both figures; losses are of the newest run."""
    view = training_view()
    view.apply(envelope("e0001", RESULT))
    evidence = "text loss 1.500 nats per byte"
    view.apply(
        envelope("e0001", RunAnomaly(run="e0001-a0", kind="too_good", step=9, evidence=evidence, action="quarantined"))
    )
    (row,) = view.open_rows()
    assert row.stage_text == "quarantined"
    again = RunRequested(
        run="e0001-a0-r1", attempt=0, source="s", scale="nano", seed=1, limits=Limits(seconds=1, memory_mb=1), shard=1
    )
    view.apply(envelope("e0001", again))
    view.apply(envelope("e0001", RunStarted(run="e0001-a0-r1", worker="1", width=64, parameters=1000, gates=())))
    for run in ("e0001-a0", "e0001-a0-r1"):
        view.add_loss_point(LossPoint(run=run, task="text", step=50, steps=200, loss=3.0))
    assert (row.stage_text, len(row.curve)) == ("training (quarantined)", 1)
    assert "training (quarantined)" in screen_text(view)
    assert not view.leaders()
    view.apply(envelope("e0001", run_completed("e0001-a0-r1", val_loss=1.6, recall=0.95)))
    view.apply(envelope("e0001", READY))
    (leader,) = view.leaders()
    assert leader.metrics is not None
    assert (leader.metrics.val_loss, leader.metrics.recall) == (1.6, 0.9)


def test_a_run_that_the_monitor_stops_is_not_quarantined() -> None:
    """Its experiment keeps its stage until the failure comes."""
    view = training_view()
    stopped = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="loss 9.1")
    view.apply(envelope("e0001", stopped))
    assert [row.stage_text for row in view.open_rows()] == ["training"]
    assert event_line(envelope("e0001", stopped)).endswith("stopped (diverged): loss 9.1")


def test_the_end_waits_for_every_experiment_of_a_raised_budget() -> None:
    """A finished campaign is not over if a person raises its budget."""
    view = training_view()
    complete(view)
    failed = CodeFailed(attempt=3, stage="train", reason="timeout", message="m", final=True)
    view.apply(envelope("base-gla", failed))
    view.apply(envelope("e0002", failed))
    view.apply(envelope("campaign", CampaignFinished(reason="budget_spent", analysed=1, failed=2, rejected=0)))
    assert view.is_over()
    view.apply(envelope("campaign", HumanMessage(kind="budget", text="5")))
    assert not view.is_over()


def test_no_time_is_left_to_tell_once_all_experiments_have_ended() -> None:
    """Verification may still run, and nobody knows for how long; the view does not print 0 s."""
    view = training_view()
    failed = CodeFailed(attempt=3, stage="train", reason="timeout", message="m", final=True)
    for second, name in enumerate(("e0001", "base-gla", "e0002")):
        ended = envelope(name, failed)
        view.apply(replace(ended, time=ended.time + timedelta(seconds=second)))
        assert view.seconds_left() == (1.0 if second == 1 else None)
    assert " left" not in screen_text(view)


def test_an_event_is_one_line_of_text() -> None:
    """Events that people want to read say more than their type; the others have only that line."""
    failed = CodeFailed(attempt=0, stage="gate", reason="causality", message="sees the future", final=False)
    assert event_line(envelope("e0001", failed)).endswith("failed at gate (causality): sees the future")
    requested = envelope("e0001", ProposalRequested(slot=0, arm="guided"))
    assert notable_line(requested) is None
    assert event_line(requested).endswith(" ProposalRequested")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (HumanMessage(kind="veto", text="", target="e0002"), "message from owner (veto e0002)"),
        (HumanMessage(kind="steer", text="try decay", by="Ada"), "message from Ada (steer): try decay"),
        (CampaignPaused(by="Ada", why="lunch"), "paused by Ada: lunch"),
        (CampaignResumed(by="Ada"), "resumed by Ada"),
    ],
)
def test_messages_and_pauses_name_the_person(event: Event, text: str) -> None:
    """The line has the person, the kind and the target of a message, and the text if there is one."""
    assert event_line(envelope("campaign", event)).endswith(f" {text}")
