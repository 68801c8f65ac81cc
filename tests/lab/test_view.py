"""What the live view shows, folded from events and drawn in plain text."""

from datetime import UTC, datetime

from rich.console import Console

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignStarted,
    CodeFailed,
    Event,
    FitnessParts,
    HumanMessage,
    LossPoint,
    ProposalCreated,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunRequested,
    RunStarted,
)
from bus.vocabulary.events.run import Limits
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.event_text import event_line
from lab.terminal.live_view import duration, render

RESULT = RunCompleted(
    run="e0001-a0", worker="1", width=64, parameters=1000, steps=1, tokens=1, seconds=1.0, step_seconds=0.1,
    flops_per_token=1.0, val_loss=1.5, bits_per_byte=2.164, recall=0.9, recall_stderr=0.01, weights="w",
    weights_sha256="h", curve=(),
)  # fmt: skip
READY = AnalysisReady(fitness=0.7, parts=FitnessParts(loss=0.7, benchmark=0.7, judge=0.7), findings=("f",), problem="p")


def said(experiment: str, event: Event) -> Envelope:
    """Wrap an event."""
    return Envelope("i", "/lab/x/1", datetime(2026, 1, 1, tzinfo=UTC), "c", experiment, event)


def begun() -> CampaignView:
    """Return a view of a campaign with one experiment in training."""
    view = CampaignView("c")
    started = CampaignStarted(
        goal="g", seed=0, scale="nano", experiments=2, slots=2, baselines=("gla",), cold_start=1, batch=1
    )
    view.apply(said("campaign", started))
    view.apply(said("e0001", ProposalRequested(slot=1, arm="guided")))
    view.apply(said("e0001", ProposalCreated(name="delta [x]", motivation="m", source="s", origin="genetic")))
    request = RunRequested(
        run="e0001-a0", attempt=0, source="s", scale="nano", seed=0, limits=Limits(seconds=1, memory_mb=1)
    )
    view.apply(said("e0001", request))
    view.apply(said("e0001", RunStarted(run="e0001-a0", worker="1", width=64, parameters=1000, gates=())))
    return view


def completed(view: CampaignView) -> None:
    """Let the experiment end with a fitness."""
    view.apply(said("e0001", RESULT))
    view.apply(said("e0001", READY))


def drawn(view: CampaignView) -> str:
    """Return what a terminal of 120 columns shows."""
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(view))
    return capture.get()


def test_a_training_run_shows_stage_losses_and_progress() -> None:
    """The row of a slot follows the metrics stream."""
    view = begun()
    view.point(LossPoint(run="e0001-a0", task="recall", step=50, steps=200, loss=1.25))
    (row,) = view.open_rows()
    assert (row.stage, row.progress, row.losses) == ("training", 0.25, {"recall": 1.25})
    view.point(LossPoint(run="e0001-a9", task="recall", step=60, steps=200, loss=9.0))
    assert [(point.step, point.loss) for point in row.curve] == [(50, 1.25)], "a reading of another attempt"
    text = drawn(view)
    assert "recall 1.250" in text
    assert "delta [x]" in text


def test_a_result_moves_from_the_slots_to_the_leaderboard() -> None:
    """What is analysed is ranked with its scores."""
    view = begun()
    assert "leaderboard" not in drawn(view), "there is nobody to lead yet"
    completed(view)
    assert not view.open_rows()
    assert [row.id for row in view.leaders()] == ["e0001"]
    assert "0.700" in drawn(view)


def test_a_quarantined_result_is_told_of_and_does_not_lead() -> None:
    """Until its second run is analysed, and then with the worse of both figures; readings are the newest run's."""
    view = begun()
    view.apply(said("e0001", RESULT))
    evidence = "text loss 1.500 nats per byte"
    view.apply(
        said("e0001", RunAnomaly(run="e0001-a0", kind="too_good", step=9, evidence=evidence, action="quarantined"))
    )
    (row,) = view.open_rows()
    assert row.stage_text == "quarantined"
    again = RunRequested(
        run="e0001-a0-r1", attempt=0, source="s", scale="nano", seed=1, limits=Limits(seconds=1, memory_mb=1), shard=1
    )
    view.apply(said("e0001", again))
    view.apply(said("e0001", RunStarted(run="e0001-a0-r1", worker="1", width=64, parameters=1000, gates=())))
    for run in ("e0001-a0", "e0001-a0-r1"):
        view.point(LossPoint(run=run, task="text", step=50, steps=200, loss=3.0))
    assert (row.stage_text, len(row.curve)) == ("training (quarantined)", 1)
    assert "training (quarantined)" in drawn(view)
    assert not view.leaders()
    view.apply(said("e0001", RESULT.model_copy(update={"run": "e0001-a0-r1", "bits_per_byte": 2.2, "recall": 0.95})))
    view.apply(said("e0001", READY))
    (leader,) = view.leaders()
    assert leader.result is not None
    assert (leader.result.bits_per_byte, leader.result.recall) == (2.2, 0.9)


def test_a_run_that_the_monitor_stops_is_in_no_quarantine() -> None:
    """Its failure follows."""
    view = begun()
    stopped = RunAnomaly(run="e0001-a0", kind="diverged", step=9, evidence="loss 9.1")
    view.apply(said("e0001", stopped))
    assert [row.stage_text for row in view.open_rows()] == ["training"]
    assert (event_line(said("e0001", stopped)) or "").endswith("stopped, diverged: loss 9.1")


def test_the_end_waits_for_every_experiment_of_a_raised_budget() -> None:
    """A finished campaign whose budget a person raised is not over."""
    view = begun()
    completed(view)
    failed = CodeFailed(attempt=3, stage="train", reason="timeout", message="m", final=True)
    view.apply(said("base-gla", failed))
    view.apply(said("e0002", failed))
    view.apply(said("campaign", CampaignFinished(reason="budget_spent", analysed=1, failed=2, rejected=0)))
    assert view.is_over()
    view.apply(said("campaign", HumanMessage(kind="budget", text="5")))
    assert not view.is_over()


def test_lines_for_a_log_file_are_sentences() -> None:
    """Where there is no terminal, the events that matter come as lines."""
    failed = CodeFailed(attempt=0, stage="gate", reason="causality", message="sees the future", final=False)
    assert (event_line(said("e0001", failed)) or "").endswith("failed at gate, causality: sees the future")
    assert event_line(said("e0001", ProposalRequested(slot=0, arm="guided"))) is None
    vetoed = HumanMessage(kind="veto", text="", target="e0002")
    assert (event_line(said("campaign", vetoed)) or "").endswith("human says (veto e0002)")


def test_durations_read_as_people_say_them() -> None:
    """Seconds, minutes, hours."""
    assert [duration(s) for s in (5, 65, 3720)] == ["5 s", "1 min 05 s", "1 h 02 min"]
