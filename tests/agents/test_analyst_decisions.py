"""What the analyst makes of results, when, and what it tells people who ask."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.analysis import findings as words
from agents.analysis.fitness import Reference, fitness, marked_judge
from agents.analysis.weakness import COST, problem, weakest
from agents.design import BASELINES
from agents.roles.analyst import Analyst
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    CodeFailed,
    FitnessParts,
    HumanAnswered,
    HumanMessage,
    ProposalRejected,
    RunCompleted,
)
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskPeers,
    AskStanding,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    Experiment,
    Experiments,
    FailedAttempt,
    Peers,
)
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.envelope import Envelope

Drive = Callable[..., tuple[list[Any], list[Post]]]
Said = Callable[..., Envelope]

DONE = RunCompleted(
    run="e0003-a0", worker="t", width=64, parameters=1000, steps=1, tokens=1, seconds=1.0, step_seconds=0.1,
    flops_per_token=2000.0, val_loss=1.5, bits_per_byte=2.16, recall=0.5, recall_stderr=0.01, weights="w",
    weights_sha256="0", curve=(),
)  # fmt: skip
PAPER = CognitionEntry(key="delta", title="T", scenario="s", algorithm="a", history="h")
GIVEN_UP = CodeFailed(attempt=0, stage="gate", reason="causality", message="m", final=True)
MEANS = Reference(val_loss=1.5, recall=0.5, benchmarks={"recall": 0.5}, parameters=1000, flops=2000)


def trained(id: str = "e0003", **more: Any) -> Experiment:  # noqa: A002  (the field's name)
    """Return an experiment with a score."""
    known: dict[str, Any] = {
        "id": id, "status": "running", "val_loss": 1.5, "recall": 0.5, "recall_stderr": 0.01, "parameters": 1000,
        "flops_per_token": 2000.0, "novelty": 0.5, "lines": 100, "motivation": "m",
    }  # fmt: skip
    return Experiment.model_validate(known | more)


def peers(this: Experiment, *, pending: int = 0, awaiting: tuple[str, ...] = ("e0003",), **more: Any) -> Peers:
    """Return an experiment beside two baselines."""
    baselines = (trained("base-a", val_loss=1.4, recall=0.4), trained("base-b", val_loss=1.6, recall=0.6))
    return Peers(this=this, baselines=baselines, baselines_pending=pending, awaiting=awaiting, **more)


def answers(found: Any, model: Any = None) -> dict[Any, Any]:
    """Return memory's answers, and the model's."""
    return {AskPeers: found, AskCognition: Cognition(rows=(PAPER,)), Completion: model}


def ready(posts: list[Post]) -> AnalysisReady:
    """Return the only analysis said."""
    (post,) = posts
    assert isinstance(post.event, AnalysisReady)
    return post.event


def test_a_result_is_held_while_a_baseline_is_pending(said: Said, drive: Drive) -> None:
    """Its comparison would be with too few."""
    assert drive(Analyst(), said(DONE, "e0003"), answers(peers(trained(), pending=1)))[1] == []


def test_a_result_is_analysed_against_the_baselines_means(said: Said, drive: Drive) -> None:
    """Level with the means in all but novelty and length: the parts are as the page computes them."""
    _, posts = drive(Analyst(), said(DONE, "e0003"), answers(peers(trained())))
    analysis = ready(posts)
    judged = 0.4 * 0.5 + 0.2 * 0.5 + 0.2 * 0.5 + 0.2 / 1.5
    assert analysis.parts == FitnessParts(loss=0.5, benchmark=0.5, judge=judged)
    assert analysis.fitness == fitness(analysis.parts)


def test_the_named_weakness_is_what_papers_are_asked_about(said: Said, drive: Drive) -> None:
    """And their keys go into the analysis."""
    asked, posts = drive(Analyst(), said(DONE, "e0003"), answers(peers(trained())))
    assert [q.text for q in asked if isinstance(q, AskCognition)] == [ready(posts).problem]
    assert ready(posts).cognition == ("delta",)


def test_the_last_baseline_releases_everything_that_waits_in_order(said: Said, drive: Drive) -> None:
    """Trained, given up or rejected: whatever settles it, all that wait are analysed as they completed."""
    found = lambda q: peers(trained(q.experiment), awaiting=("base-a", "e0001", "base-b"))  # noqa: E731
    rejected = ProposalRejected(name="", motivation="", reason="no_answer", message="m", final=True)
    for event in (DONE, GIVEN_UP, rejected):
        _, posts = drive(Analyst(), said(event, "base-b"), answers(found))
        assert [post.experiment for post in posts] == ["base-a", "e0001", "base-b"]


def test_another_result_speaks_for_itself_alone(said: Said, drive: Drive) -> None:
    """Others that wait have their own events."""
    found = peers(trained(), awaiting=("e0001", "e0003"))
    assert [post.experiment for post in drive(Analyst(), said(DONE, "e0003"), answers(found))[1]] == ["e0003"]


def test_a_result_that_has_its_analysis_gets_no_second(said: Said, drive: Drive) -> None:
    """A second report of the same run changes nothing."""
    assert drive(Analyst(), said(DONE, "e0003"), answers(peers(trained(), awaiting=())))[1] == []


@pytest.mark.parametrize(
    "event", [GIVEN_UP, GIVEN_UP.model_copy(update={"final": False}), HumanMessage(kind="steer", text="x")]
)
def test_what_gives_no_result_is_passed_over(said: Said, drive: Drive, event: Any) -> None:
    """Failures of other experiments, repairs, and words that ask nothing."""
    assert drive(Analyst(), said(event, "e0003")) == ([], [])


def test_a_models_marks_and_words_are_taken_and_its_arithmetic_is_not(said: Said, drive: Drive) -> None:
    """The judge's part is computed here from the marks; loss and benchmark stay what was measured."""
    opinion = {
        "findings": ["It copies well."],
        "problem": "It forgets.",
        "performance": 7,
        "innovation": 4,
        "complexity": 9,
    }
    reply = CompletionReply(body=json.dumps(opinion))
    _, posts = drive(Analyst(model=True), said(DONE, "e0003"), answers(peers(trained()), reply))
    analysis = ready(posts)
    assert analysis.parts == FitnessParts(loss=0.5, benchmark=0.5, judge=marked_judge(7, 4, 9))
    assert analysis.problem == "It forgets."
    assert "It copies well." in analysis.findings


@pytest.mark.parametrize("reply", [CompletionReply(error="busy"), CompletionReply(body='{"performance": 99}')])
def test_without_a_models_opinion_the_formula_judges(said: Said, drive: Drive, reply: CompletionReply) -> None:
    """The same analysis as without a model."""
    _, expected = drive(Analyst(), said(DONE, "e0003"), answers(peers(trained())))
    _, posts = drive(Analyst(model=True), said(DONE, "e0003"), answers(peers(trained()), reply))
    assert posts == expected


def test_a_difference_within_the_noise_is_called_so() -> None:
    """Recall within two standard errors of the difference, text within the spread of seeds."""
    this = trained()
    assert words.compare_recall(this, 0.48, 0.01, "x").verdict == "level"
    assert words.compare_recall(this, 0.46, 0.01, "x").verdict == "better"
    assert words.compare_recall(this, 0.54, 0.01, "x").verdict == "worse"
    assert words.compare_text(this, 1.515, "x").verdict == "level"
    assert words.compare_text(this, 1.53, "x").verdict == "better"
    assert words.compare_text(this, 1.47, "x").verdict == "worse"


def test_findings_compare_with_baselines_parent_and_siblings_in_figures() -> None:
    """One sentence each, with both figures."""
    parent, siblings = trained("e0001", val_loss=1.7), (1.6, 1.4)
    repaired = trained(
        failures=(FailedAttempt(attempt=0, stage="gate", reason="causality", message="m", repair="masked"),)
    )
    found = "\n".join(words.findings(peers(repaired, parent=parent, siblings=siblings), MEANS))
    assert (
        "Text loss 1.500 against 1.500 nats per byte of the mean of 2 baselines: the difference of 0.000 is within"
        in found
    )
    assert "Text loss 1.500 against 1.700 nats per byte of its parent e0001: better by 0.200." in found
    assert "Text loss 1.500 against 1.400 nats per byte of the best baseline base-a: worse by 0.100." in found
    assert "Among 3 children of its parent it ranks 2 by text loss" in found
    assert "It uses 1.00 times the baselines' parameters and 1.00 times their FLOPs per token." in found
    assert "It ran after 1 repair: causality (gate)." in found


def test_findings_without_a_baseline_or_a_scored_parent_say_so() -> None:
    """Nothing is compared with what is not there."""
    alone = Peers(this=trained(), parent=Experiment(id="e0001", status="failed"))
    found = "\n".join(words.findings(alone, None))
    assert "no baseline to compare with" in found
    assert "No scores of its parent e0001 to compare with." in found


@pytest.mark.parametrize(
    ("this", "expected"),
    [
        (trained(recall=0.1), "recall"),
        (trained(val_loss=1.65, recall=0.9), "text"),
        (trained(val_loss=1.4, recall=0.9, parameters=3000, flops_per_token=6000.0), "cost"),
    ],
)
def test_the_weakest_part_is_named(this: Experiment, expected: str) -> None:
    """Whichever of recall, text loss and cost stands worst against the baselines."""
    from agents.analysis.fitness import parts

    assert weakest(this, parts(this, MEANS, 0.5), MEANS) == expected


def test_the_weakness_is_read_off_the_design() -> None:
    """Each human design gets words for what it lacks, not the same words for all."""
    low = FitnessParts(loss=0.9, benchmark=0.1, judge=0.5)
    texts = {
        name: problem(trained(design=baseline.design.to_json(), recall=0.1), low, MEANS)
        for name, baseline in BASELINES.items()
    }
    assert "never erases" in texts["linear-attention"]
    assert "decay forgets everything alike" in texts["gla"]
    assert "although writes correct errors" in texts["deltanet"]
    assert "short convolution is missing" in texts["gla"]
    assert "short convolution is missing" not in texts["deltanet"]


def test_cost_is_a_weakness_with_words_of_its_own() -> None:
    """Where quality is there and thrift is not."""
    dear = trained(parameters=3000, flops_per_token=9000.0)
    assert problem(dear, FitnessParts(loss=0.9, benchmark=0.9, judge=0.5), MEANS) == COST


def test_a_result_whose_analysis_keeps_failing_is_given_up(said: Said) -> None:
    """Its slot does not wait for ever; other events leave nothing to settle."""
    posts = Analyst().give_up(said(DONE, "e0003"), "killed")
    assert [(post.experiment, post.event.stage, post.event.final) for post in posts] == [("e0003", "evaluate", True)]
    assert Analyst().give_up(said(HumanMessage(kind="ask", text="x?")), "killed") == []


ASKED = HumanMessage(kind="ask", text="how is e0003 against h-0123abcd?", by="Ada")
STARTED = CampaignStarted(
    goal="g", seed=0, scale="nano", experiments=8, slots=1, baselines=("a", "b"), cold_start=4, batch=3
)
STANDING = CampaignStatus(started=STARTED, budget=8, settled=5, analysed=4, failed=1, ranking=("e0002", "e0001"))


def test_a_question_is_answered_from_memory(said: Said, drive: Drive) -> None:
    """Where the campaign stands and the figures of those named; who is unknown is called so."""
    known = trained(name="two-clocks", status="analysed", fitness=0.61, problem="It forgets.")
    asked, posts = drive(Analyst(), said(ASKED), {AskStanding: STANDING, AskExperiments: Experiments(rows=(known,))})
    assert [q.ids for q in asked if isinstance(q, AskExperiments)] == [("e0003", "h-0123abcd")]
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    assert (event.question, event.to) == (ASKED.text, "Ada")
    assert event.answer.splitlines() == [
        "The campaign is running: 5 of 10 slots settled, 4 analysed, 1 failed, 0 rejected.",
        "e0003 two-clocks (analysed, fitness 0.610, 1.500 nats per byte, recall 0.500): It forgets.",
        "h-0123abcd: no such experiment.",
    ]


@pytest.mark.parametrize(
    ("before", "outcome"),
    [
        ({"vetoed": True, "status": "analysed"}, "in the pool again"),
        ({"vetoed": True, "status": "running"}, "goes on"),
        ({"vetoed": True, "status": "failed", "reason": "vetoed"}, "has ended (vetoed) and stays so"),
        ({"status": "analysed"}, "not vetoed"),
        (None, "no such experiment"),
    ],
)
def test_who_takes_a_veto_back_is_told_what_that_brings_about(
    said: Said, drive: Drive, before: dict[str, Any] | None, outcome: str
) -> None:
    """By how the experiment stood just before; a model has no part in it."""
    rows = () if before is None else (trained(**before),)
    word = said(HumanMessage(kind="restore", text="a mistake", target="e0003", by="Ada"), seq=9)
    asked, posts = drive(Analyst(model=True), word, {AskExperiments: Experiments(rows=rows)})
    assert [(q.at, q.ids) for q in asked] == [(8, ("e0003",))]
    event = posts[0].event
    assert isinstance(event, HumanAnswered)
    assert (event.question, event.to) == ("restore e0003", "Ada")
    assert event.answer.startswith("e0003: ")
    assert outcome in event.answer


def test_a_question_that_names_nothing_is_about_the_best(said: Said, drive: Drive) -> None:
    """The first of the ranking."""
    question = said(HumanMessage(kind="ask", text="how far?"))
    asked, _ = drive(Analyst(), question, {AskStanding: STANDING, AskExperiments: Experiments(rows=())})
    assert [q.ids for q in asked if isinstance(q, AskExperiments)] == [("e0002", "e0001")]


def test_a_model_answers_from_the_same_facts_and_the_facts_stand_in(said: Said, drive: Drive) -> None:
    """Its words where there are any, the plain facts otherwise."""
    memory = {AskStanding: STANDING, AskExperiments: Experiments(rows=())}
    asked, posts = drive(
        Analyst(model=True), said(ASKED), memory | {Completion: CompletionReply(body='{"answer": "Well."}')}
    )
    assert "5 of 10 slots settled" in next(q.prompt for q in asked if isinstance(q, Completion))
    assert posts[0].event.answer == "Well."
    _, posts = drive(Analyst(model=True), said(ASKED), memory | {Completion: CompletionReply(error="busy")})
    assert posts[0].event.answer.startswith("The campaign is running")
