"""The analyst decides on results: when it analyses, how it judges, and which findings and problem it names."""

import json
from typing import Any, get_args

import pytest

from agents.analysis import findings
from agents.analysis.fitness import Reference, fitness, marked_judge
from agents.people.replies import reply_to
from agents.roles.analyst import Analyst
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CodeFailed,
    FitnessParts,
    HumanAnswered,
    HumanKind,
    HumanMessage,
    ProposalRejected,
)
from bus.vocabulary.queries import (
    AskCognition,
    AskPeers,
    Cognition,
    CognitionEntry,
    Experiment,
    FailedAttempt,
    Peers,
)
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.ids import CAMPAIGN
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment, run_completed

COMPLETED = run_completed("e0003-a0", val_loss=1.5, recall=0.5)
PAPER = CognitionEntry(key="delta", title="T", scenario="s", algorithm="a", history="h")
GIVEN_UP = CodeFailed(attempt=0, stage="gate", reason="causality", message="m", final=True)
WITH_MODEL = campaign_started(models={"analyst": "m"})
MEANS = Reference(val_loss=1.5, recall=0.5, benchmarks={"recall": 0.5}, parameters=1000, flops=2000)


def trained(experiment_id: str = "e0003", **fields: Any) -> Experiment:
    """Return an experiment with a score."""
    defaults: dict[str, Any] = {
        "status": "running", "val_loss": 1.5, "recall": 0.5, "recall_stderr": 0.01, "parameters": 1000,
        "flops_per_token": 2000.0, "novelty": 0.5, "lines": 100, "motivation": "m",
    }  # fmt: skip
    return experiment(experiment_id, **defaults | fields)


def peers(candidate: Experiment, *, pending: int = 0, awaiting: tuple[str, ...] = ("e0003",), **fields: Any) -> Peers:
    """Return a candidate with two baselines."""
    baselines = (trained("base-a", val_loss=1.4, recall=0.4), trained("base-b", val_loss=1.6, recall=0.6))
    return Peers(this=candidate, baselines=baselines, baselines_pending=pending, awaiting=awaiting, **fields)


def answers(peers_reply: Any, model: Any = None) -> dict[Any, Any]:
    """Return memory's answers, and the model's."""
    return {AskPeers: peers_reply, AskCognition: Cognition(rows=(PAPER,)), Completion: model}


def analysis_of(posts: list[Post]) -> AnalysisReady:
    """Return the analysis, which has to be the only post."""
    (post,) = posts
    assert isinstance(post.event, AnalysisReady)
    return post.event


def test_a_result_waits_while_a_baseline_is_pending() -> None:
    """The analyst compares a result with all baselines."""
    assert decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained(), pending=1)))[1] == []


def test_a_result_is_analysed_against_the_baselines_means() -> None:
    """A result at the means has half of the loss part, of the benchmark part, and of the judge's size and cost."""
    _, posts = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained())))
    analysis = analysis_of(posts)
    judged = 0.4 * 0.5 + 0.2 * 0.5 + 0.2 * 0.5 + 0.2 / 1.5
    assert analysis.parts == FitnessParts(loss=0.5, benchmark=0.5, judge=judged)
    assert analysis.fitness == fitness(analysis.parts)


def test_the_problem_is_the_query_to_the_cognition_base() -> None:
    """The analysis has the keys of the entries that memory returns."""
    questions, posts = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained())))
    assert [question.text for question in questions if isinstance(question, AskCognition)] == [
        analysis_of(posts).problem
    ]
    assert analysis_of(posts).cognition == ("delta",)


def test_the_settlement_of_the_last_baseline_releases_all_waiting_results_in_order() -> None:
    """It may be trained, given up or rejected; the analyst analyses the waiting results in the order of completion."""

    def peers_of(question: AskPeers) -> Peers:
        return peers(trained(question.experiment), awaiting=("base-a", "e0001", "base-b"))

    rejected = ProposalRejected(name="", motivation="", reason="no_answer", message="m", final=True)
    for event in (COMPLETED, GIVEN_UP, rejected):
        _, posts = decide(Analyst(), envelope_of(event, "base-b"), answers(peers_of))
        assert [post.experiment for post in posts] == ["base-a", "e0001", "base-b"]


def test_a_result_of_a_candidate_leads_to_its_own_analysis_only() -> None:
    """Each waiting result has an event of its own."""
    reply = peers(trained(), awaiting=("e0001", "e0003"))
    _, posts = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(reply))
    assert [post.experiment for post in posts] == ["e0003"]


def test_an_analysed_result_is_not_analysed_again() -> None:
    """A second report of the same run changes nothing."""
    assert decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained(), awaiting=())))[1] == []


@pytest.mark.parametrize(
    "event", [GIVEN_UP, GIVEN_UP.model_copy(update={"final": False}), HumanMessage(kind="steer", text="x")]
)
def test_events_without_a_result_or_a_question_are_ignored(event: Any) -> None:
    """They are failures of experiments that are no baselines, repairs, and messages that steer."""
    assert decide(Analyst(), envelope_of(event, "e0003")) == ([], [])


def test_an_analysis_has_a_models_words_and_its_marks_determine_the_judge_part() -> None:
    """The analyst computes the judge part from the marks; the loss part and the benchmark part stay as measured."""
    opinion = {
        "findings": ["It copies well."],
        "problem": "It forgets.",
        "performance": 7,
        "innovation": 4,
        "complexity": 9,
    }
    reply = CompletionReply(body=json.dumps(opinion))
    _, posts = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained(), started=WITH_MODEL), reply))
    analysis = analysis_of(posts)
    assert analysis.parts == FitnessParts(loss=0.5, benchmark=0.5, judge=marked_judge(7, 4, 9))
    assert analysis.problem == "It forgets."
    assert "It copies well." in analysis.findings


@pytest.mark.parametrize("reply", [CompletionReply(error="busy"), CompletionReply(body='{"performance": 99}')])
def test_without_a_usable_judgement_of_a_model_the_formula_judges(reply: CompletionReply) -> None:
    """The analysis is the same as in a campaign without a model."""
    _, expected = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained())))
    _, posts = decide(Analyst(), envelope_of(COMPLETED, "e0003"), answers(peers(trained(), started=WITH_MODEL), reply))
    assert posts == expected


def test_a_difference_within_the_noise_is_level() -> None:
    """Noise is two standard errors of the difference for recall, and the spread of seeds for text."""
    candidate = trained()
    assert findings.compare_recall(candidate, 0.48, 0.01, "x").verdict == "level"
    assert findings.compare_recall(candidate, 0.46, 0.01, "x").verdict == "better"
    assert findings.compare_recall(candidate, 0.54, 0.01, "x").verdict == "worse"
    assert findings.compare_text(candidate, 1.515, "x").verdict == "level"
    assert findings.compare_text(candidate, 1.53, "x").verdict == "better"
    assert findings.compare_text(candidate, 1.47, "x").verdict == "worse"


def test_findings_compare_with_baselines_parent_and_siblings() -> None:
    """Each comparison is one sentence with both figures."""
    parent, siblings = trained("e0001", val_loss=1.7), (1.6, 1.4)
    repaired = trained(
        failures=(FailedAttempt(attempt=0, stage="gate", reason="causality", message="m", repair="masked"),)
    )
    text = "\n".join(findings.findings(peers(repaired, parent=parent, siblings=siblings), MEANS))
    level = "Text loss 1.500 against 1.500 nats per byte of the mean of 2 baselines: the difference of 0.000 is within"
    assert level in text
    assert "Text loss 1.500 against 1.700 nats per byte of its parent e0001: better by 0.200." in text
    assert "Text loss 1.500 against 1.400 nats per byte of the best baseline base-a: worse by 0.100." in text
    assert "Among 3 children of its parent it ranks 2 by text loss" in text
    assert "It uses 1.00 times the baselines' parameters and 1.00 times their FLOPs per token." in text
    assert "It ran after 1 repair: causality (gate)." in text


def test_findings_name_a_missing_baseline_and_a_parent_without_scores() -> None:
    """There is no comparison with them."""
    alone = Peers(this=trained(), parent=Experiment(id="e0001", status="failed"))
    text = "\n".join(findings.findings(alone, None))
    assert "no baseline to compare with" in text
    assert "No scores of its parent e0001 to compare with." in text


def test_an_abandoned_decision_on_a_result_fails_the_experiment() -> None:
    """Otherwise its slot would stay open."""
    posts = Analyst().give_up(envelope_of(COMPLETED, "e0003"), "killed")
    assert [(post.experiment, post.event.stage, post.event.final) for post in posts] == [("e0003", "evaluate", True)]


@pytest.mark.parametrize("kind", get_args(HumanKind))
def test_a_message_that_is_given_up_is_answered_by_the_role_that_would_have_replied(kind: HumanKind) -> None:
    """The desk has replied to every message that is none of the analyst's."""
    message = HumanMessage(kind=kind, text="best?", target="e0001", source="x" if kind == "propose" else None, by="ada")
    posts = Analyst().give_up(envelope_of(message), "NoAnswer: memory\nis away")
    assert len(posts) == (reply_to(message, "h-0123") is None)
    for post in posts:
        assert isinstance(post.event, HumanAnswered)
        assert (post.experiment, post.event.to) == (CAMPAIGN, "ada")
        assert post.event.answer.startswith("No answer: NoAnswer: memory is away. Ask again")
