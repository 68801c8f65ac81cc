"""The analyst's answers to people: from memory's facts, in a model's words if the campaign has one."""

from typing import Any

import pytest

from agents.roles.analyst import Analyst
from bus.vocabulary.events import FitnessParts, HumanAnswered, HumanMessage
from bus.vocabulary.queries import (
    AskCampaignStatus,
    AskCognition,
    AskExperiments,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    Experiments,
)
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


def answer_to(text: str, answers: dict[Any, Any]) -> str:
    """Return the analyst's answer to a question."""
    _, posts = decide(Analyst(), envelope_of(HumanMessage(kind="ask", text=text)), answers)
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    return event.answer


def paper(key: str, *units: str) -> CognitionEntry:
    """Return an entry of the cognition base."""
    return CognitionEntry(key=key, title=key.title(), scenario="", algorithm=f"Do {key}.", history="", units=units)


@pytest.mark.parametrize("text", ["what is the delta rule?", "What's the delta rule?", "how does the delta rule work?"])
def test_a_question_about_a_unit_is_answered_from_the_grammar_and_the_papers(text: str) -> None:
    """The papers that support the unit come first, and others not at all."""
    papers = Cognition(
        rows=(paper("decay", "decay:scalar"), paper("mixed", "update:delta", "norm:l2"), paper("pure", "update:delta"))
    )
    lines = answer_to(
        text, {AskCampaignStatus: STATUS, AskExperiments: NO_EXPERIMENTS, AskCognition: papers}
    ).splitlines()
    assert lines[0].startswith('"delta rule": delta-rule writes with a learned rate per head (update:delta): ')
    assert lines[1:3] == ["Pure: Do pure.", "Mixed: Do mixed."]
    assert lines[3].startswith("The campaign is running")


def test_why_an_experiment_is_best_is_answered_from_the_figures() -> None:
    """Its rank, its parts, and the differences from its parent and from the next in the ranking."""
    best, parent, next_one = (
        experiment(name, fitness=fitness, parts=FitnessParts(loss=loss, benchmark=0.5, judge=0.5), parent_id=of)
        for name, fitness, loss, of in (
            ("e0002", 0.6, 0.8, "base-a"),
            ("base-a", 0.5, 0.5, None),
            ("e0001", 0.55, 0.65, None),
        )
    )
    replies = {("e0002",): (best,), ("base-a", "e0001"): (parent, next_one)}
    memory = {AskCampaignStatus: STATUS, AskExperiments: lambda query: Experiments(rows=replies[query.ids])}
    assert answer_to("why is e0002 the best?", memory).splitlines()[:3] == [
        "e0002 has rank 1 of 4: fitness 0.600, loss 0.800, benchmark 0.500, judge 0.500.",
        "Against base-a (its parent): fitness +0.100, loss +0.300, benchmark +0.000, judge +0.000.",
        "Against e0001 (the next in the ranking): fitness +0.050, loss +0.150, benchmark +0.000, judge +0.000.",
    ]


def test_the_answer_to_a_withdrawal_says_what_is_still_in_force() -> None:
    """The analyst compares the guidance just before the message with that after it."""
    message = envelope_of(HumanMessage(kind="withdraw", text="gates", by="Ada"), seq=9)
    guidance = {8: ("delta", "more gates"), 9: ("delta",)}
    memory = {AskCampaignStatus: lambda query: STATUS.model_copy(update={"guidance": guidance[query.at]})}
    _, posts = decide(Analyst(), message, memory)
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    assert (event.question, event.to) == ("withdraw gates", "Ada")
    assert event.answer == "Withdrawn: more gates. Still in force: delta."
