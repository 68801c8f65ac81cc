"""The judge: what it reads, one kind of marks for a campaign, and who judged."""

from collections.abc import Sequence
from typing import Any

import pytest

from agents.analysis.fitness import marked_judge
from agents.design import BASELINES, Design
from agents.llm.prompts import library
from agents.llm.schemas import Judgement, Revision
from agents.roles.analyst import Analyst
from agents.roles.engineer import Engineer
from bus.vocabulary.events import AnalysisReady, CodeRevised, ModelChoice, ProposalCreated
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskSetup,
    Cognition,
    Experiment,
    Experiments,
    ExperimentSetup,
    FailedAttempt,
    Neighbour,
    Neighbours,
    Peers,
)
from bus.vocabulary.questions import Completion
from tests.support.conversations import Speech, speaker
from tests.support.decisions import Driven, decide, envelope_of
from tests.support.factories import campaign_started, experiment, run_completed
from tests.support.injections import GLA

THIS = experiment("e0003", "running", parent_id="e0001", motivation="two clocks", source=GLA, val_loss=1.4, recall=0.6)
RELATED = {
    name: experiment(name, motivation=words, fitness=fitness)
    for name, words, fitness in (
        ("e0001", "one clock", 0.4), ("e0002", "old clocks", 0.3), ("e0004", "no clock", 0.2), ("e0005", "sand", 0.1),
    )
}  # fmt: skip
BASELINE = experiment("base-gla", val_loss=1.5, recall=0.5, parameters=42_000)


def judgement(innovation: int) -> Judgement:
    """Return a judgement with this mark for innovation."""
    return Judgement(findings=["It is level."], problem="Slow.", performance=5, innovation=innovation, complexity=5)


def analysis(*speeches: Speech, named: str = "", **settings: Any) -> tuple[AnalysisReady, Driven]:
    """Return the analysis of a result with a model that says this; the campaign names `named` as the judge."""
    started = campaign_started(
        models={"analyst": "m"},
        model_choices={"analyst": (ModelChoice(model=named),)} if named else {},
        prompts=library.versions(),
        roles={"analyst": {"judge": "model"} | settings},
    )
    replies: dict[Any, Any] = {
        AskPeers: Peers(
            this=THIS,
            baselines=(BASELINE,),
            awaiting=("e0003",),
            started=started,
            sibling_ids=("e0004",),
            grandparent_id="e0005",
        ),
        AskNeighbours: Neighbours(rows=(Neighbour(id="e0002", similarity=0.8, motivation="old clocks"),)),
        AskExperiments: lambda asked: Experiments(rows=tuple(RELATED[name] for name in asked.ids)),
        AskCognition: Cognition(rows=()),
        Completion: speaker(*speeches),
    }
    driven = decide(Analyst(), envelope_of(run_completed("e0003-a0"), "e0003"), replies)
    event = driven.posts[-1].event
    assert isinstance(event, AnalysisReady)
    return event, driven


def test_a_judge_reads_kin_and_nearest_ideas_with_their_results() -> None:
    """And the analysis says which model judged, by which prompt."""
    event, driven = analysis(judgement(7))
    question = next(question for question in driven.questions if isinstance(question, Completion))
    assert '<parent from="proposal">\ne0001 : fitness 0.400\none clock' in question.prompt
    assert '<earlier from="proposal">\ne0002 : fitness 0.300\nold clocks' in question.prompt
    assert '<sibling from="proposal">\ne0004 : fitness 0.200\nno clock' in question.prompt
    assert '<grandparent from="proposal">\ne0005 : fitness 0.100\nsand' in question.prompt
    assert event.parts.judge == marked_judge(5, 7, 5)
    assert event.judged_by == f"scripted, judgement {library.versions()['judgement']}"


def test_of_several_judgements_the_median_counts() -> None:
    """One answer out of three does not decide."""
    event, _ = analysis(judgement(2), judgement(9), judgement(6), judgements=3)
    assert event.parts.judge == marked_judge(5, 6, 5)


def test_without_an_answer_the_marks_are_neutral() -> None:
    """A formula's value would be on another scale than the other results of the campaign."""
    event, _ = analysis("no answer within 120 s")
    assert (event.parts.judge, event.judged_by) == (marked_judge(5, 5, 5), "neutral")


def test_a_model_that_the_campaign_does_not_name_marks_nothing() -> None:
    """Its marks and those of the campaign's judge would be ranked together."""
    event, _ = analysis(judgement(9), named="scripted")
    assert (event.parts.judge, event.judged_by[:8]) == (marked_judge(5, 9, 5), "scripted")
    event, _ = analysis(judgement(9), named="another")
    assert (event.parts.judge, event.judged_by) == (marked_judge(5, 5, 5), "neutral")


def test_a_formula_may_judge_while_the_model_explains() -> None:
    """Then all results of the campaign have the formula's judge part."""
    event, _ = analysis(judgement(9), judge="formula")
    assert event.judged_by == "formula"
    assert event.parts.judge != marked_judge(5, 9, 5)
    assert "It is level." in event.findings


REPAIRING = campaign_started(models={"engineer": "m"}, prompts=library.versions())


def repair(
    source: str, *speeches: Speech, this: Experiment | None = None, near: Sequence[Neighbour] | None = None
) -> Driven:
    """Return the engineer's decision about a proposed source; `near` are what its revisions in turn are nearest to."""
    row = this or Experiment(id="e0003", status="queued", motivation="two clocks")
    roles = {} if near is None else {"engineer": {"compare_revisions": True}}
    started = REPAIRING.model_copy(update={"roles": roles})
    found = iter(near or ())
    replies: dict[Any, Any] = {
        AskSetup: ExperimentSetup(this=row, started=started), Completion: speaker(*speeches),
        AskNeighbours: lambda _: Neighbours(rows=(next(found),)),
        AskExperiments: Experiments(rows=(experiment("e0012", fitness=0.41, name="old-clocks"),)),
    }  # fmt: skip
    proposal = ProposalCreated(name="n", motivation="two clocks", source=source, origin="model")
    return decide(Engineer(), envelope_of(proposal, "e0003"), replies)


def revision_of(driven: Driven) -> CodeRevised:
    """Return the repair of a decision."""
    return next(post.event for post in driven.posts if isinstance(post.event, CodeRevised))


def test_a_mechanical_fault_needs_no_model() -> None:
    """A rule takes a fence away."""
    driven = repair(f"```python\n{GLA}\n```")
    assert revision_of(driven).repaired_by == "rules"
    assert not [question for question in driven.questions if isinstance(question, Completion)]


def test_a_repair_with_a_static_fault_goes_back_to_the_model() -> None:
    """It sees the fault, and the earlier faults and fixes of the experiment."""
    failed = FailedAttempt(attempt=0, stage="gate", reason="causality", message="leaks at 7", repair="masked")
    row = Experiment(id="e0003", status="queued", motivation="two clocks", failures=(failed,))
    bad = GLA.replace("import torch\n", "import socket\nimport torch\n", 1) + "\nopen('x')\n"
    driven = repair(bad, Revision(change="none", source=bad + "#"), Revision(change="sound", source=GLA), this=row)
    prompts = [question.prompt for question in driven.questions if isinstance(question, Completion)]
    assert "gate causality: leaks at 7; then: masked" in prompts[0]
    assert '<fault from="lab">' in prompts[1]
    assert (revision_of(driven).repaired_by, revision_of(driven).change) == ("model", "sound")


FAULTY = GLA.replace("import torch\n", "import socket\nimport torch\n", 1) + "\nopen('x')\n"
OTHER = BASELINES["deltanet"].source


@pytest.mark.parametrize("same", [{"same_source": True}, {"distance": 0}])
def test_a_revision_that_is_an_earlier_experiment_goes_back_to_the_model(same: dict[str, Any]) -> None:
    """With how that one ended. A revision that reads as a design is compared by structure, and carries the design."""
    near = (Neighbour(id="e0012", motivation="m", **same), Neighbour(id="e0012", motivation="m", distance=3))
    driven = repair(FAULTY, Revision(change="old", source=GLA), Revision(change="new", source=OTHER), near=near)
    prompts = [question.prompt for question in driven.questions if isinstance(question, Completion)]
    assert "your revision is what e0012 was. Which ended so: e0012 old-clocks: fitness 0.410" in prompts[1]
    asked = [question for question in driven.questions if isinstance(question, AskNeighbours)]
    assert [(question.exclude, question.text) for question in asked] == [("e0003", "")] * 2
    revised = revision_of(driven)
    assert (revised.change, Design.from_json(revised.design)) == ("new", BASELINES["deltanet"].design)


def test_a_model_that_only_repeats_leaves_the_repair_to_the_rules() -> None:
    """After its corrections."""
    near = [Neighbour(id="e0012", motivation="m", same_source=True)] * 3
    driven = repair(FAULTY, *[Revision(change="old", source=GLA)] * 3, near=near)
    asked = [question for question in driven.questions if isinstance(question, AskNeighbours)]
    assert len(asked) == 3
    assert revision_of(driven).repaired_by == "rules"
