"""Every list of a campaign with an objective is in the order of its objective, not of its fitness."""

from datetime import UTC, datetime

from bus.vocabulary.events import AnalysisReady, FitnessParts, ObjectiveParts
from bus.vocabulary.queries import Experiment
from bus.wire.envelope import Envelope
from dashboard.report.scores import Scores, merit_of
from lab.client.campaign_view import CampaignView
from lab.operations.why_results import Story

VALUES = {"e0001": -1.0, "e0002": 2.0, "e0003": 0.5}
"""Objectives; the fitness ranks the other way round."""
ORDER = ["e0002", "e0003", "e0001"]


def analysis(objective: float) -> AnalysisReady:
    """Return an analysis with an objective."""
    parts = FitnessParts(loss=0.5, benchmark=0.5, judge=0.5)
    of = ObjectiveParts(gains={"text": objective})
    fitness = 0.5 - objective / 10
    return AnalysisReady(fitness=fitness, parts=parts, findings=(), problem="", objective=objective, objective_parts=of)


LOG = [
    Envelope(f"id{seq}", "/lab/analyst/1", datetime.now(UTC), "c", name, analysis(value), None, seq)
    for seq, (name, value) in enumerate(VALUES.items(), 1)
]


def test_the_live_view_leads_with_the_best_objective() -> None:
    """It reads events alone, so the objective is not shrunk."""
    view = CampaignView("c")
    for envelope in LOG:
        view.apply(envelope)
    assert [row.id for row in view.leaders()] == ORDER


def test_why_ranks_by_the_objective() -> None:
    """The rank of a parent is its rank in the search."""
    assert [score.id for score in Story(LOG, "e0001").ranking(3)] == ORDER


def test_the_report_ranks_by_score() -> None:
    """Its differences are those of the scores."""
    rows = [
        Experiment(
            id=name, status="analysed", fitness=0.5 - value / 10, parts=analysis(value).parts, objective=value,
            objective_parts=analysis(value).objective_parts, score=value / 2, opened_seq=seq,
        )
        for seq, (name, value) in enumerate(VALUES.items(), 1)
    ]  # fmt: skip
    scores = Scores(rows)
    assert [e.id for e in scores.ranked] == ORDER
    assert [merit_of(e) for e in scores.ranked] == [1.0, 0.25, -0.5]
    assert scores.running_best == [(0, -0.5), (1, 1.0)]
