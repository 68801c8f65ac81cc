"""The engineer's decisions: which sources it runs, which failures it repairs, and when it gives an experiment up."""

import json
from typing import Any

import pytest

from agents.admission.static_check import check
from agents.design import BASELINES, Design, render
from agents.repair.revising import MAX_VARIATIONS
from agents.roles.engineer import Engineer
from bus.delivery.role import Post
from bus.vocabulary.events import (
    CodeFailed,
    CodeRevised,
    Event,
    Peer,
    ProposalCreated,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import AskNeighbours, AskSetup, Experiment, ExperimentSetup, Neighbour, Neighbours
from bus.vocabulary.questions import Completion, CompletionReply
from tests.support.decisions import decide, envelope_of
from tests.support.factories import NANO_LIMITS, campaign_started, experiment

STARTED = campaign_started(seed=3, attempts=2, baselines=("gla",), data="/texts", sandbox="none")
GLA = BASELINES["gla"]
BROKEN = "import os\n" + GLA.source
HOPELESS = "this is no Python at all!"
PROPOSED = ProposalCreated(name="n", motivation="m", source=GLA.source, origin="genetic", design=GLA.design.to_json())


def failed(attempt: int = 0, reason: str = "causality", **fields: Any) -> RunFailed:
    """Return a failed run of an attempt."""
    defaults = {
        "run": f"e0003-a{attempt}",
        "worker": "t",
        "attempt": attempt,
        "stage": "gate",
        "reason": reason,
        "message": "m",
    }
    return RunFailed.model_validate(defaults | fields)


def answers(model: Any = None, baselines: tuple[Experiment, ...] = (), **fields: Any) -> dict[Any, Any]:
    """Return memory's answers about an experiment with these fields, and the model's if the campaign has one."""
    defaults: dict[str, Any] = {
        "id": "e0003",
        "status": "queued",
        "source": GLA.source,
        "design": GLA.design.to_json(),
        "motivation": "m",
    }
    started = STARTED.model_copy(update={"models": {"engineer": "m"}}) if model else STARTED
    setup = ExperimentSetup(this=experiment(**defaults | fields), started=started, baselines=baselines)
    return {AskSetup: setup, Completion: model}


def kinds(posts: list[Post]) -> list[type[Event]]:
    """Return the types of the posted events."""
    return [type(post.event) for post in posts]


def test_a_proposal_without_a_fault_runs_with_the_campaigns_settings() -> None:
    """All experiments share scale, data, sandbox and seed, so that they can be compared in pairs."""
    _, posts = decide(Engineer(), envelope_of(PROPOSED, "e0003"), answers())
    assert [post.event for post in posts] == [
        RunRequested(
            run="e0003-a0",
            attempt=0,
            source=GLA.source,
            scale="nano",
            seed=3,
            limits=NANO_LIMITS,
            data="/texts",
            sandbox="none",
            peer=None,
        )
    ]


def test_the_monitor_compares_with_the_completed_baselines() -> None:
    """The peer has their median step time and lowest training loss; a run of a baseline has no peer."""
    baselines = tuple(
        experiment(f"base-{n}", "running", step_seconds=step_seconds, val_loss=9.9, train_loss=loss)
        for n, (step_seconds, loss) in enumerate([(0.1, 2.0), (0.3, 1.5), (0.2, 1.8)])
    )
    for name, peer in (("e0003", Peer(step_seconds=0.2, text_loss=1.5)), ("base-gla", None)):
        _, posts = decide(Engineer(), envelope_of(PROPOSED, name), answers(baselines=baselines))
        assert posts[0].event.peer == peer


@pytest.mark.parametrize(
    ("proposal", "settings", "trained"),
    [
        ({}, {"refuse_copies": True}, False),
        ({}, {}, True),  # a log from before the setting
        ({"origin": "baseline"}, {"refuse_copies": True}, True),
        ({"operator": "prior"}, {"refuse_copies": True}, True),
        ({"origin": "human"}, {"refuse_copies": True}, True),
    ],
)
def test_a_copy_of_another_slots_idea_is_not_trained(
    proposal: dict[str, Any], settings: dict[str, bool], trained: bool
) -> None:
    """It ends untrained and names the other experiment; founders and people's designs are trained all the same."""
    started = STARTED.model_copy(update={"roles": {"engineer": settings}})
    setup = answers()[AskSetup].model_copy(update={"started": started, "copy_of": "e0002"})
    _, posts = decide(Engineer(), envelope_of(PROPOSED.model_copy(update=proposal), "e0003"), {AskSetup: setup})
    if trained:
        assert kinds(posts) == [RunRequested]
        return
    (failed,) = (post.event for post in posts)
    assert (failed.reason, failed.final) == ("copied", True)
    assert failed.message.startswith("e0002 is the same design")


def test_a_static_fault_is_repaired_before_a_run() -> None:
    """One decision publishes the failure, the repair and the request for the repaired source."""
    _, posts = decide(Engineer(), envelope_of(PROPOSED.model_copy(update={"source": BROKEN}), "e0003"), answers())
    fault, repaired, request = (post.event for post in posts)
    assert isinstance(fault, CodeFailed)
    assert isinstance(repaired, CodeRevised)
    assert isinstance(request, RunRequested)
    assert (fault.stage, fault.attempt, fault.final) == ("static", 0, False)
    assert (repaired.attempt, request.run, request.source) == (1, "e0003-a1", repaired.source)
    assert check(repaired.source) is None


def test_a_source_that_no_rule_repairs_fails_the_experiment() -> None:
    """The final failure has the reason of the static check, and the engineer requests no run."""
    hopeless = PROPOSED.model_copy(update={"source": HOPELESS, "design": None})
    _, posts = decide(Engineer(), envelope_of(hopeless, "e0003"), answers())
    assert [(post.event.reason, post.event.final) for post in posts] == [("syntax", True)]


def test_a_failed_run_is_repaired_and_run_again() -> None:
    """The next attempt has another source."""
    _, posts = decide(Engineer(), envelope_of(failed(tail="Traceback\nboom"), "e0003"), answers())
    assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
    fault, repaired, request = (post.event for post in posts)
    assert (fault.stage, fault.reason, fault.tail, fault.final) == ("gate", "causality", "Traceback\nboom", False)
    assert request.source == repaired.source != GLA.source
    assert repaired.design is None or repaired.source == render(Design.from_json(repaired.design)).source


def comparing(*near: Neighbour, **fields: Any) -> dict[Any, Any]:
    """Return the answers about an experiment of a campaign that compares repairs; `near` are the nearest in turn."""
    setup = answers(**fields)[AskSetup]
    started = STARTED.model_copy(update={"roles": {"engineer": {"compare_repairs": True}}})
    found = iter(near)
    nearest = lambda _: Neighbours(rows=tuple(one for one in (next(found, None),) if one))  # noqa: E731
    return {AskSetup: setup.model_copy(update={"started": started}), AskNeighbours: nearest}


def same(**fields: Any) -> Neighbour:
    """Return an earlier experiment that a repair is."""
    return Neighbour(id="e0002", motivation="m", **fields)


@pytest.mark.parametrize("near", [same(same_source=True), same(distance=0)])
def test_a_repair_that_was_an_earlier_experiment_is_varied(near: Neighbour) -> None:
    """Its run would repeat that one's result; a repair that is none stays as it is."""
    event = envelope_of(failed(), "e0003")
    _, (_, new, _) = decide(Engineer(), event, comparing(same(distance=1)))
    questions, (_, varied, request) = decide(Engineer(), event, comparing(near, near, same(distance=2)))
    asked = [question for question in questions if isinstance(question, AskNeighbours)]
    assert [question.exclude for question in asked] == ["e0003"] * 3
    assert isinstance(new.event, CodeRevised)
    assert isinstance(varied.event, CodeRevised)
    assert varied.event.source != new.event.source
    assert varied.event.source == render(Design.from_json(varied.event.design)).source == request.event.source
    assert varied.event.change.startswith(f"{new.event.change}; e0002 was that, so ")
    assert varied.event.repaired_by == "grammar"


def test_an_experiment_ends_if_every_repair_was_an_earlier_one() -> None:
    """A source that reads as no design can't be varied, and variations are bounded."""
    odd = PROPOSED.model_copy(update={"source": BROKEN.replace("bias=False", "bias=True"), "design": None})
    _, (ended,) = decide(Engineer(), envelope_of(odd, "e0003"), comparing(same(same_source=True)))
    assert (ended.event.reason, ended.event.final) == ("import", True)
    assert "its repair is what e0002 was" in ended.event.message
    event = envelope_of(failed(), "e0003")
    _, (ended,) = decide(Engineer(), event, comparing(*[same(distance=0)] * (1 + MAX_VARIATIONS)))
    assert ended.event.message.endswith("its repair and 4 variations are what earlier experiments were")


def test_the_campaign_limits_the_number_of_repairs() -> None:
    """If the campaign allows two repairs, the third failure is final."""
    _, posts = decide(Engineer(), envelope_of(failed(2), "e0003"), answers(attempt=2))
    assert [(post.event.attempt, post.event.final) for post in posts] == [(2, True)]


@pytest.mark.parametrize("reason", ["bad_request", "trainer_fault", "vetoed"])
def test_a_failure_that_is_no_fault_of_the_architecture_is_final(reason: str) -> None:
    """A missing file, a fault of the trainer and a veto lead to no repair."""
    _, posts = decide(Engineer(), envelope_of(failed(reason=reason), "e0003"), answers(vetoed=reason == "vetoed"))
    assert [(post.event.reason, post.event.final) for post in posts] == [(reason, True)]


@pytest.mark.parametrize("name", ["e0003", "base-gla"])
def test_a_run_that_a_withdrawn_veto_stopped_is_repeated(name: str) -> None:
    """The next attempt has the same source, with a model or without; after the last attempt the experiment fails."""
    for model in (None, CompletionReply(error="busy")):
        questions, posts = decide(Engineer(), envelope_of(failed(reason="vetoed"), name), answers(model))
        assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
        assert (posts[2].event.run, posts[2].event.source) == (f"{name}-a1", GLA.source)
        assert not [question for question in questions if isinstance(question, Completion)]
    _, posts = decide(Engineer(), envelope_of(failed(2, reason="vetoed"), name), answers(attempt=2))
    assert [(post.event.reason, post.event.final) for post in posts] == [("vetoed", True)]


def test_a_baseline_is_never_repaired() -> None:
    """Results are judged against the published design, so the experiment fails, with a model or without."""
    for model in (None, CompletionReply(error="busy")):
        questions, posts = decide(
            Engineer(), envelope_of(failed(reason="anomaly:diverged"), "base-gla"), answers(model)
        )
        assert [(post.event.reason, post.event.final) for post in posts] == [("anomaly:diverged", True)]
        assert not [question for question in questions if isinstance(question, Completion)]


@pytest.mark.parametrize("reason", ["timeout", "limit:memory", "no_result", "crash:SIGKILL"])
def test_a_baseline_runs_again_if_the_machine_may_be_the_cause(reason: str) -> None:
    """The next attempt has the same source."""
    _, posts = decide(Engineer(), envelope_of(failed(reason=reason), "base-gla"), answers())
    assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
    assert (posts[2].event.run, posts[2].event.source) == ("base-gla-a1", GLA.source)


@pytest.mark.parametrize("reason", ["crash:jail", "crash:SIGKILL"])
@pytest.mark.parametrize("design", [None, GLA.design.to_json()], ids=["a model's", "the grammar's"])
def test_any_source_runs_again_once_if_the_machine_may_have_killed_its_run(reason: str, design: Any) -> None:
    """The second such failure is repaired as any other: the source may be the cause after all."""
    _, posts = decide(Engineer(), envelope_of(failed(reason=reason), "e0003"), answers(design=design))
    assert kinds(posts) == [CodeFailed, CodeRevised, RunRequested]
    assert (posts[2].event.run, posts[2].event.source) == ("e0003-a1", GLA.source)
    killed = {"attempt": 0, "stage": "train", "reason": "crash:SIGKILL", "message": "m"}
    again = answers(design=GLA.design.to_json(), attempt=1, failures=(killed,))
    _, posts = decide(Engineer(), envelope_of(failed(1, reason), "e0003"), again)
    assert posts[-1].event.source != GLA.source


@pytest.mark.parametrize("fields", [{"attempt": 1}, {"status": "failed"}, {"status": "analysed"}, {"val_loss": 1.0}])
def test_a_failure_of_a_finished_attempt_changes_nothing(fields: dict[str, Any]) -> None:
    """The engineer ignores a second report of a failure, and one after the experiment's end."""
    assert decide(Engineer(), envelope_of(failed(0), "e0003"), answers(**fields))[1] == []


def test_a_repeated_decision_makes_the_same_repair() -> None:
    """Random draws depend on campaign, experiment and attempt, and not on the position in the log."""
    posts, repetition = (decide(Engineer(), envelope_of(failed(), "e0003", seq), answers()).posts for seq in (9, 12))
    assert posts == repetition


def test_a_models_repair_is_run() -> None:
    """Its prompt has the source, the reason and the traceback."""
    reply = CompletionReply(body=json.dumps({"change": "masked", "source": GLA.source + "# masked\n"}))
    event = failed(tail="RuntimeError: shapes 3 and 4")
    questions, posts = decide(Engineer(), envelope_of(event, "e0003"), answers(reply))
    prompt = next(question.prompt for question in questions if isinstance(question, Completion))
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
def test_without_a_usable_repair_of_a_model_the_rules_repair(reply: CompletionReply) -> None:
    """The reply is an error, has another form, or has the same source."""
    _, posts = decide(Engineer(), envelope_of(failed(), "e0003"), answers(reply))
    assert posts[1].event.repaired_by in {"rules", "grammar"}


def test_a_models_repair_is_checked_like_any_source() -> None:
    """If a revision has a static fault, it counts as an attempt and is repaired, up to the campaign's limit."""
    sources = iter([HOPELESS, HOPELESS + "\n("])
    memory = answers(lambda _: CompletionReply(body=json.dumps({"change": "worse", "source": next(sources)})))
    _, posts = decide(Engineer(), envelope_of(failed(), "e0003"), memory)
    assert kinds(posts) == [CodeFailed, CodeRevised, CodeFailed, CodeRevised, CodeFailed]
    assert posts[-1].event.final


def test_an_abandoned_decision_fails_the_experiment() -> None:
    """The failure is final and has the attempt of the event."""
    posts = Engineer().give_up(envelope_of(failed(1), "e0003"), "killed")
    assert [(post.event.attempt, post.event.final) for post in posts] == [(1, True)]
