"""Rolling insights: when they are due, what rules write, what a model writes, and who reads them."""

from typing import Any

import pytest

from agents.llm.prompts import library
from agents.llm.schemas import Insights
from agents.roles.analyst import Analyst
from bus.vocabulary.events import AnalysisReady, FitnessParts, InsightsReady
from bus.vocabulary.queries import (
    AskAnalysed,
    AskCampaignStatus,
    AskExperiments,
    AskInsights,
    CampaignInsights,
    CampaignStatus,
    Experiments,
)
from bus.vocabulary.questions import Completion
from lab.client.model_tally import ModelTally
from lab.client.report_notes import report_notes
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.support.conversations import Speech, speaker
from tests.support.decisions import Driven, decide, envelope_of
from tests.support.factories import campaign_started, experiment

ROWS = (
    experiment(
        "e0001", name="delta", fitness=0.6, problem="Slow.", findings=("Recall 0.9 against 0.5: better by 0.4.",)
    ),
    experiment(
        "e0002", name="plain", fitness=0.3, problem="Blurs.", findings=("Level.", "Text 2 against 1: worse by 1.")
    ),
)
BEFORE = InsightsReady(worked=("Gates help.",), failed=(), questions=(), analysed=10, written_by="rules")


def ready(judged_by: str = "formula") -> AnalysisReady:
    """Return an analysis whose judge is named, as in today's logs."""
    scored = FitnessParts(loss=0.5, benchmark=0.5, judge=0.5)
    return AnalysisReady(fitness=0.5, parts=scored, findings=(), problem="", judged_by=judged_by)


def sum_up(*speeches: Speech, analysed: int = 20, event: AnalysisReady | None = None) -> Driven:
    """Return the analyst's decision after an analysis, with a model if it says anything."""
    models: dict[str, Any] = {"models": {"analyst": "m"}, "prompts": library.versions()} if speeches else {}
    status = CampaignStatus(started=campaign_started(**models), analysed=analysed, ranking=("e0001",))
    replies: dict[Any, Any] = {
        AskCampaignStatus: status,
        AskAnalysed: Experiments(rows=ROWS),
        AskExperiments: Experiments(rows=ROWS),
        AskInsights: CampaignInsights(newest=BEFORE),
        Completion: speaker(*speeches),
    }
    return decide(Analyst(), envelope_of(event or ready(), "e0003"), replies)


def insights_of(driven: Driven) -> InsightsReady:
    """Return what was written."""
    post = driven.posts[-1]
    assert isinstance(post.event, InsightsReady)
    assert post.experiment == "campaign"
    return post.event


def test_rules_write_the_findings_above_the_noise() -> None:
    """With the experiment that shows each; its weaknesses are what is open."""
    insights = insights_of(sum_up())
    assert insights.worked == ("e0001 delta: Recall 0.9 against 0.5: better by 0.4.",)
    assert insights.failed == ("e0002 plain: Text 2 against 1: worse by 1.",)
    assert insights.questions == ("Slow.", "Blurs.")
    assert (insights.analysed, insights.written_by) == (20, "rules")


def test_a_model_writes_them_from_the_earlier_ones() -> None:
    """It reads the insights so far and the results."""
    driven = sum_up(Insights(worked=["The delta rule (e0001)."], failed=[], questions=["Does a window help?"]))
    insights = insights_of(driven)
    assert insights.worked == ("The delta rule (e0001).",)
    assert insights.written_by == f"scripted, insights {library.versions()['insights']}"
    prompt = next(question.prompt for question in driven.questions if isinstance(question, Completion))
    assert "Gates help." in prompt
    assert "e0002 plain: fitness 0.300" in prompt


def test_without_an_answer_rules_write_them() -> None:
    """No insights are lost to a model."""
    assert insights_of(sum_up("no answer within 120 s")).written_by == "rules"


@pytest.mark.parametrize(("analysed", "judged_by"), [(19, "formula"), (20, "")])
def test_they_are_due_every_ten_analyses_of_todays_logs(analysed: int, judged_by: str) -> None:
    """An earlier log names no judge, and its replay asks nothing."""
    assert sum_up(analysed=analysed, event=ready(judged_by)).posts == []


def test_memory_answers_with_the_newest(tmp_path: Any) -> None:
    """As of a position."""
    with Store(tmp_path / "memory.duckdb") as store:
        start = envelope_of(campaign_started(), seq=1)
        newer = BEFORE.model_copy(update={"analysed": 20})
        assert store.apply([start, envelope_of(BEFORE, seq=2), envelope_of(newer, seq=3)]) == []
        replies = [answer(Knowledge(store), AskInsights(at=at)) for at in (1, 2, 3)]
    assert replies == [CampaignInsights(), CampaignInsights(newest=BEFORE), CampaignInsights(newest=newer)]


def test_the_report_shows_the_newest() -> None:
    """Each sentence with its kind, and who wrote it."""
    notes = report_notes(ModelTally(), BEFORE)
    assert notes == ["Worked (as of 10 analyses, by rules): Gates help."]
