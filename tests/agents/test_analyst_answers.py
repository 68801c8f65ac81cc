"""The analyst's answers to people: from memory's facts, in a model's words if the campaign has one."""

from typing import Any

import pytest

from agents.roles.analyst import Analyst
from bus.vocabulary.events import HumanAnswered, HumanMessage
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from bus.vocabulary.questions import Completion, CompletionReply
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment

QUESTION = HumanMessage(kind="ask", text="how is e0003 against h-0123abcd?", by="Ada")
STARTED = campaign_started(baselines=("a", "b"))
STATUS = CampaignStatus(started=STARTED, budget=8, settled=5, analysed=4, failed=1, ranking=("e0002", "e0001"))
NO_EXPERIMENTS = Experiments(rows=())


def test_an_answer_has_the_campaigns_state_and_the_figures_of_the_named_experiments() -> None:
    """It says which named experiments do not exist."""
    row = experiment("e0003", name="two-clocks", val_loss=1.5, recall=0.5, fitness=0.61, problem="It forgets.")
    questions, posts = decide(
        Analyst(), envelope_of(QUESTION), {AskCampaignStatus: STATUS, AskExperiments: Experiments(rows=(row,))}
    )
    assert experiments_asked_for(questions) == [("e0003", "h-0123abcd")]
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    assert (event.question, event.to) == (QUESTION.text, "Ada")
    assert event.answer.splitlines() == [
        "The campaign is running: 5 of 10 slots settled, 4 analysed, 1 failed, 0 rejected.",
        "e0003 two-clocks (analysed, fitness 0.610, 1.500 nats per byte, recall 0.500): It forgets.",
        "h-0123abcd: no such experiment.",
    ]


def experiments_asked_for(questions: list[Any]) -> list[tuple[str, ...]]:
    """Return the ids in each question about experiments."""
    return [question.ids for question in questions if isinstance(question, AskExperiments)]


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"vetoed": True, "status": "analysed"}, "in the pool again"),
        ({"vetoed": True, "status": "running"}, "goes on"),
        ({"vetoed": True, "status": "failed", "reason": "vetoed"}, "has ended (vetoed) and stays so"),
        ({"status": "analysed"}, "not vetoed"),
        (None, "no such experiment"),
    ],
)
def test_the_answer_to_restore_names_its_effect(fields: dict[str, Any] | None, outcome: str) -> None:
    """The effect depends on the experiment's state just before the message; the analyst asks no model."""
    rows = () if fields is None else (experiment("e0003", **fields),)
    message = envelope_of(HumanMessage(kind="restore", text="a mistake", target="e0003", by="Ada"), seq=9)
    questions, posts = decide(Analyst(), message, {AskExperiments: Experiments(rows=rows)})
    assert [(question.at, question.ids) for question in questions] == [(8, ("e0003",))]
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    assert (event.question, event.to) == ("restore e0003", "Ada")
    assert event.answer.startswith("e0003: ")
    assert outcome in event.answer


def test_a_question_that_names_no_experiment_is_about_the_best_ones() -> None:
    """They are the first of the ranking."""
    question = envelope_of(HumanMessage(kind="ask", text="how far?"))
    questions, _ = decide(Analyst(), question, {AskCampaignStatus: STATUS, AskExperiments: NO_EXPERIMENTS})
    assert experiments_asked_for(questions) == [("e0002", "e0001")]


def test_a_model_answers_from_the_facts_and_the_facts_are_the_answer_without_it() -> None:
    """The prompt has the facts; if the model returns an error, the answer has them instead."""
    started = STARTED.model_copy(update={"models": {"analyst": "m"}})
    memory = {
        AskCampaignStatus: STATUS.model_copy(update={"started": started}), AskExperiments: NO_EXPERIMENTS,
    }  # fmt: skip
    reply, error = CompletionReply(body='{"answer": "Well."}'), CompletionReply(error="busy")
    questions, posts = decide(Analyst(), envelope_of(QUESTION), memory | {Completion: reply})
    (prompt,) = (question.prompt for question in questions if isinstance(question, Completion))
    assert "5 of 10 slots settled" in prompt
    assert posts[0].event.answer == "Well."
    _, posts = decide(Analyst(), envelope_of(QUESTION), memory | {Completion: error})
    assert posts[0].event.answer.startswith("The campaign is running")
