"""What the engineer runs, repairs and gives up."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.admission.static_check import check
from agents.design import BASELINES, Design, render
from agents.roles.engineer import DEFAULT_LIMITS, Engineer, EngineerSettings
from bus.delivery.role import Post
from bus.vocabulary.events import (
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    Event,
    Limits,
    Peer,
    ProposalCreated,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import AskTrial, Experiment, ExperimentSetup
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.envelope import Envelope

Drive = Callable[..., tuple[list[Any], list[Post]]]
Said = Callable[..., Envelope]

STARTED = CampaignStarted(
    goal="g",
    seed=3,
    scale="nano",
    experiments=9,
    slots=1,
    attempts=2,
    baselines=("gla",),
    cold_start=4,
    batch=3,
    data="/texts",
    sandbox="none",
)
GLA = BASELINES["gla"]
BROKEN = "import os\n" + GLA.source
HOPELESS = "this is no Python at all!"
PROPOSED = ProposalCreated(name="n", motivation="m", source=GLA.source, origin="genetic", design=GLA.design.to_json())
NANO = EngineerSettings(limits={"nano": Limits(seconds=60.0, memory_mb=900)})


def failed(attempt: int = 0, reason: str = "causality", **more: Any) -> RunFailed:
    """Return a failed run of an attempt."""
    known = {
        "run": f"e0003-a{attempt}",
        "worker": "t",
        "attempt": attempt,
        "stage": "gate",
        "reason": reason,
        "message": "m",
    }
    return RunFailed.model_validate(known | more)


def answers(model: Any = None, baselines: tuple[Experiment, ...] = (), **this: Any) -> dict[Any, Any]:
    """Return memory's answers about an experiment, and the model's."""
    known: dict[str, Any] = {
        "id": "e0003",
        "status": "queued",
        "source": GLA.source,
        "design": GLA.design.to_json(),
        "motivation": "m",
    }
    trial = ExperimentSetup(this=Experiment.model_validate(known | this), started=STARTED, baselines=baselines)
    return {AskTrial: trial, Completion: model}


def kinds(posts: list[Post]) -> list[type[Event]]:
    """Return what was said."""
    return [type(post.event) for post in posts]


def test_a_sound_proposal_is_run_as_the_campaign_says(said: Said, drive: Drive) -> None:
    """Scale, data and sandbox are the campaign's; so is the seed, for every experiment, which pairs all comparisons."""
    _, posts = drive(Engineer(NANO), said(PROPOSED, "e0003"), answers())
    assert [post.event for post in posts] == [
        RunRequested(
            run="e0003-a0",
            attempt=0,
            source=GLA.source,
            scale="nano",
            seed=3,
            limits=Limits(seconds=60.0, memory_mb=900),
            data="/texts",
            sandbox="none",
            peer=None,
        )
    ]


def test_a_scale_without_limits_of_its_own_gets_ordinary_ones(said: Said, drive: Drive) -> None:
    """No run is without a limit."""
    assert drive(Engineer(), said(PROPOSED, "e0003"), answers())[1][0].event.limits == DEFAULT_LIMITS


def test_the_monitor_compares_with_the_completed_baselines(said: Said, drive: Drive) -> None:
    """The median pace and the lowest loss in training; a baseline itself is compared with nothing."""
    done = tuple(
        Experiment(id=f"base-{n}", status="running", step_seconds=pace, val_loss=9.9, train_loss=loss)
        for n, (pace, loss) in enumerate([(0.1, 2.0), (0.3, 1.5), (0.2, 1.8)])
    )
    for experiment, peer in (("e0003", Peer(step_seconds=0.2, text_loss=1.5)), ("base-gla", None)):
        _, posts = drive(Engineer(), said(PROPOSED, experiment), answers(baselines=done))
        assert posts[0].event.peer == peer


def test_a_static_fault_is_repaired_before_anything_runs(said: Said, drive: Drive) -> None:
    """Failure, repair and the request for the repaired source are said in one decision."""
    _, posts = drive(Engineer(), said(PROPOSED.model_copy(update={"source": BROKEN}), "e0003"), answers())
    fault, repaired, request = (post.event for post in posts)
    assert isinstance(fault, CodeFailed)
    assert isinstance(repaired, CodeRevised)
    assert isinstance(request, RunRequested)
    assert (fault.stage, fault.attempt, fault.final) == ("static", 0, False)
    assert (repaired.attempt, request.run, request.source) == (1, "e0003-a1", repaired.source)
    assert check(repaired.source) is None


def test_what_no_rule_repairs_is_given_up(said: Said, drive: Drive) -> None:
    """With its reason; nothing is run."""
    hopeless = PROPOSED.model_copy(update={"source": HOPELESS, "design": None})
    _, posts = drive(Engineer(), said(hopeless, "e0003"), answers())
    assert [(post.event.reason, post.event.final) for post in posts] == [("syntax", True)]


def test_a_failed_run_is_repaired_and_run_again(said: Said, drive: Drive) -> None:
    """The next attempt carries another source."""
    _, posts = drive(Engineer(), said(failed(tail="Traceback\nboom"), "e0003"), answers())
    assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
    fault, repaired, request = (post.event for post in posts)
    assert (fault.stage, fault.reason, fault.tail, fault.final) == ("gate", "causality", "Traceback\nboom", False)
    assert request.source == repaired.source != GLA.source
    assert repaired.design is None or repaired.source == render(Design.from_json(repaired.design)).source


def test_the_attempts_of_the_campaign_bound_the_repairs(said: Said, drive: Drive) -> None:
    """With two repairs allowed, the third failure is the last."""
    _, posts = drive(Engineer(), said(failed(2), "e0003"), answers(attempt=2))
    assert [(post.event.attempt, post.event.final) for post in posts] == [(2, True)]


@pytest.mark.parametrize("reason", ["bad_request", "trainer_fault", "vetoed"])
def test_what_is_not_the_architectures_fault_is_not_repaired(said: Said, drive: Drive, reason: str) -> None:
    """A design is not varied because a file is missing, a trainer keeps dying, or a person had enough of it."""
    _, posts = drive(Engineer(), said(failed(reason=reason), "e0003"), answers(vetoed=reason == "vetoed"))
    assert [(post.event.reason, post.event.final) for post in posts] == [(reason, True)]


@pytest.mark.parametrize("experiment", ["e0003", "base-gla"])
def test_what_a_veto_stopped_that_was_taken_back_runs_again(said: Said, drive: Drive, experiment: str) -> None:
    """The same source as the next attempt, model or not, as long as attempts are left."""
    for settings in (EngineerSettings(), EngineerSettings(model=True)):
        asked, posts = drive(Engineer(settings), said(failed(reason="vetoed"), experiment), answers())
        assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
        assert (posts[2].event.run, posts[2].event.source) == (f"{experiment}-a1", GLA.source)
        assert not [question for question in asked if isinstance(question, Completion)]
    _, posts = drive(Engineer(), said(failed(2, reason="vetoed"), experiment), answers(attempt=2))
    assert [(post.event.reason, post.event.final) for post in posts] == [("vetoed", True)]


def test_a_human_design_is_never_altered(said: Said, drive: Drive) -> None:
    """A repaired baseline would no longer be what results are judged against: it fails as it is, model or not."""
    for settings in (EngineerSettings(), EngineerSettings(model=True)):
        asked, posts = drive(Engineer(settings), said(failed(reason="anomaly:diverged"), "base-gla"), answers())
        assert [(post.event.reason, post.event.final) for post in posts] == [("anomaly:diverged", True)]
        assert not [question for question in asked if isinstance(question, Completion)]


@pytest.mark.parametrize("reason", ["timeout", "limit:memory", "no_result", "crash:SIGKILL"])
def test_a_human_design_runs_again_where_the_machine_may_be_to_blame(said: Said, drive: Drive, reason: str) -> None:
    """The same source, as the next attempt."""
    _, posts = drive(Engineer(), said(failed(reason=reason), "base-gla"), answers())
    assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
    assert (posts[2].event.run, posts[2].event.source) == ("base-gla-a1", GLA.source)


@pytest.mark.parametrize("this", [{"attempt": 1}, {"status": "failed"}, {"status": "analysed"}, {"val_loss": 1.0}])
def test_news_of_an_attempt_that_is_over_changes_nothing(said: Said, drive: Drive, this: dict[str, Any]) -> None:
    """A second report of the same failure, or one after the end, is passed over."""
    assert drive(Engineer(), said(failed(0), "e0003"), answers(**this))[1] == []


def test_the_same_failure_gets_the_same_repair(said: Said, drive: Drive) -> None:
    """Draws hang on campaign, experiment and attempt."""
    first, again = (drive(Engineer(), said(failed(), "e0003", seq), answers())[1] for seq in (9, 12))
    assert first == again


def test_a_model_reads_the_whole_error_and_its_repair_is_run(said: Said, drive: Drive) -> None:
    """Source, reason and traceback are in its prompt."""
    reply = CompletionReply(body=json.dumps({"change": "masked", "source": GLA.source + "# masked\n"}))
    event = failed(tail="RuntimeError: shapes 3 and 4")
    asked, posts = drive(Engineer(EngineerSettings(model=True)), said(event, "e0003"), answers(reply))
    prompt = next(q.prompt for q in asked if isinstance(q, Completion))
    assert all(piece in prompt for piece in ("linear_recurrence", "causality", "RuntimeError: shapes 3 and 4"))
    repaired = posts[1].event
    assert (repaired.repaired_by, repaired.change, repaired.source) == ("model", "masked", GLA.source + "# masked\n")


@pytest.mark.parametrize(
    "reply",
    [
        CompletionReply(error="busy"),
        CompletionReply(body="[]"),
        CompletionReply(body=json.dumps({"change": "none", "source": GLA.source})),
    ],
)
def test_without_a_models_repair_the_rules_stand_in(said: Said, drive: Drive, reply: CompletionReply) -> None:
    """No answer, an unreadable one, or the same source again."""
    _, posts = drive(Engineer(EngineerSettings(model=True)), said(failed(), "e0003"), answers(reply))
    assert posts[1].event.repaired_by in {"rules", "grammar"}


def test_a_models_repair_is_checked_like_any_source(said: Said, drive: Drive) -> None:
    """A revision with a static fault counts as an attempt and is repaired in turn, up to the bound."""
    reply = CompletionReply(body=json.dumps({"change": "worse", "source": HOPELESS}))
    again = CompletionReply(body=json.dumps({"change": "worse", "source": HOPELESS + "\n("}))
    replies = iter([reply, again])
    answered = answers(lambda _: next(replies))
    _, posts = drive(Engineer(EngineerSettings(model=True)), said(failed(), "e0003"), answered)
    assert kinds(posts) == [CodeFailed, CodeRevised, CodeFailed, CodeRevised, CodeFailed]
    assert posts[-1].event.final


def test_an_experiment_that_no_process_can_handle_is_given_up(said: Said) -> None:
    """What keeps killing engineers ends as a failed experiment."""
    posts = Engineer().give_up(said(failed(1), "e0003"), "killed")
    assert [(post.event.attempt, post.event.final) for post in posts] == [(1, True)]
