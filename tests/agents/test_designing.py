"""The researcher's conversation: plan, code, corrections, reflections, repetitions, and the grammar if all fails."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from pydantic import JsonValue

from agents.design import BASELINES, Design, render
from agents.llm.prompts import library
from agents.llm.schemas import Draft, Patch, Plan, Reflection, Replacement, Sameness, UnitChoice, UnitPlan
from agents.roles.researcher import Researcher
from bus.vocabulary.events import ModelAnswered, ProposalCreated, ProposalRejected, ProposalRequested
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskExperiments,
    AskInsights,
    AskNeighbours,
    CampaignInsights,
    Experiment,
    Experiments,
    Neighbour,
    Neighbours,
)
from bus.vocabulary.questions import Completion, CompletionReply, GateCheck, GateVerdict
from tests.support.conversations import Speech, speaker
from tests.support.decisions import Driven, decide, envelope_of
from tests.support.factories import campaign_started, experiment

GLA = BASELINES["gla"]
PARENT = Experiment(
    id="e0001", name="gla", status="analysed", origin="genetic", motivation="a gate", problem="keys interfere",
    source=GLA.source, design=cast("dict[str, JsonValue]", GLA.design.to_json()),
)  # fmt: skip
REQUEST = ProposalRequested(slot=4, arm="guided", parent="e0001", references=("e0002",))
PLAN = Plan(mechanism="two clocks", weakness="keys interfere", expected="recall")
YES, NO = Reflection(holds=True, why="sound"), Reflection(holds=False, why="the mask is missing")
NO_NEIGHBOURS = Neighbours(rows=())
UNKNOWN = GateVerdict(message="no trainer has answered")
SOUND = BASELINES["deltanet"].source
BROKEN = SOUND.replace("import torch\n", "import os\nimport torch\n", 1)


def draft(source: str = SOUND, name: str = "two-clocks") -> Draft:
    """Return a draft with a source."""
    return Draft(name=name, motivation="Two time scales answer two distances.", source=source)


def slot(
    *speeches: Speech,
    form: str = "whole",
    near: Neighbours | Callable[[AskNeighbours], Neighbours] = NO_NEIGHBOURS,
    verdict: GateVerdict = UNKNOWN,
    model: Callable[[Completion], CompletionReply] | None = None,
    **settings: Any,
) -> Driven:
    """Return the decision on a slot, with a model that says this and settings of the researcher."""
    started = campaign_started(
        models={"researcher": "m"},
        prompts=library.versions(),
        roles={"researcher": {"forms": {form: 1.0}, "reflections": False} | settings},
    )
    replies: dict[Any, Any] = {
        AskAncestry: Ancestry(started=started, rows=(PARENT,)),
        AskNeighbours: near,
        AskInsights: CampaignInsights(),
        AskExperiments: Experiments(rows=(experiment("e0012", fitness=0.41, val_loss=1.5, name="old-clocks"),)),
        Completion: model or speaker(*speeches),
        GateCheck: verdict,
    }
    return decide(Researcher(), envelope_of(REQUEST, "e0003"), replies)


def prompts_of(driven: Driven) -> list[str]:
    """Return the prompts of a decision, in order."""
    return [question.prompt for question in driven.questions if isinstance(question, Completion)]


def idea_of(driven: Driven) -> ProposalCreated:
    """Return the idea that fills the slot."""
    event = driven.posts[-1].event
    assert isinstance(event, ProposalCreated)
    return event


def test_a_plan_then_its_code_become_the_proposal() -> None:
    """Both questions are accounted for before it, and the second has the plan."""
    driven = slot(PLAN, draft())
    assert [type(post.event) for post in driven.posts] == [ModelAnswered, ModelAnswered, ProposalCreated]
    idea = idea_of(driven)
    assert (idea.origin, idea.operator, idea.source, idea.parent) == ("model", "draft", SOUND, "e0001")
    assert "mechanism: two clocks" in prompts_of(driven)[1]
    assert "keys interfere" in prompts_of(driven)[0]


def test_a_static_fault_goes_back_and_the_corrected_source_is_proposed() -> None:
    """The slot costs one more question instead of being lost."""
    driven = slot(PLAN, draft(BROKEN), draft())
    assert idea_of(driven).source == SOUND
    assert '<fault from="lab">\nthe static check found import' in prompts_of(driven)[2]


def checks_of(driven: Driven) -> list[str]:
    """Return the sources that a decision put through the gates, in order."""
    return [question.source for question in driven.questions if isinstance(question, GateCheck)]


def test_a_gate_that_fails_goes_back_until_no_check_is_left() -> None:
    """A source that would fail at once is no proposal yet; the static check comes first."""
    failed = GateVerdict(outcome="failed", reason="causality", message="output at 3 depends on input at 7")
    driven = slot(PLAN, draft(BROKEN), draft(), draft(GLA.source), draft(), verdict=failed, gate_checks=2)
    assert checks_of(driven) == [SOUND, GLA.source]
    assert '<fault from="candidate">\na gate found causality: output at 3' in prompts_of(driven)[3]
    assert (idea_of(driven).origin, idea_of(driven).source) == ("model", SOUND)


def test_without_a_trainer_the_conversation_goes_on_and_asks_no_more() -> None:
    """Whatever passes the static check is proposed, as in logs without checks by the gates."""
    driven = slot(PLAN, YES, draft(), NO, draft(GLA.source), reflections=True, gate_checks=4)
    assert checks_of(driven) == [SOUND]
    assert idea_of(driven).source == GLA.source
    assert not checks_of(slot(PLAN, draft()))


def test_checks_by_a_tool_are_taken_from_those_of_the_conversation() -> None:
    """Each question says how many are left, so that the service can count."""
    said = speaker(PLAN, draft(GLA.source))

    def model(question: Completion) -> CompletionReply:
        return said(question).model_copy(update={"gate_checks": 2 if question.schema_name == "Plan" else 0})

    driven = slot(PLAN, gate_checks=3, model=model, verdict=GateVerdict(outcome="passed"))
    assert [question.gate_checks for question in driven.questions if isinstance(question, Completion)] == [3, 1]
    assert checks_of(driven) == [GLA.source]


def test_after_the_last_correction_the_grammar_takes_the_slot() -> None:
    """The rejection says what was wrong, and no slot is lost."""
    driven = slot(PLAN, draft(BROKEN), draft(BROKEN), draft(BROKEN), corrections=1)
    missing = next(post.event for post in driven.posts if isinstance(post.event, ProposalRejected))
    assert (missing.reason, missing.final) == ("no_answer", False)
    assert "no sound source after 1 corrections" in missing.message
    assert (idea_of(driven).origin, (idea_of(driven).operator or "")[:9]) == ("genetic", "fallback:")


def test_without_a_plan_the_grammar_takes_the_slot() -> None:
    """An endpoint that gives no answer is not asked again."""
    driven = slot("no answer within 120 s")
    assert len(prompts_of(driven)) == 1
    assert idea_of(driven).origin == "genetic"


def test_reflections_ask_whether_it_is_new_and_whether_it_is_right() -> None:
    """What the model finds wrong goes back to it once; then its correction stands."""
    driven = slot(PLAN, YES, draft(), NO, draft(name="masked"), reflections=True)
    assert idea_of(driven).name == "masked"
    assert "the mask is missing" in prompts_of(driven)[4]


def test_a_sound_source_stands_if_its_correction_fails() -> None:
    """A doubt of the model about its own code does not lose what the check accepts."""
    driven = slot(PLAN, YES, draft(), NO, draft(BROKEN), reflections=True, corrections=1)
    assert idea_of(driven).source == SOUND


def repetition(similarity: float) -> Neighbours:
    """Return one earlier idea that is so near."""
    return Neighbours(rows=(Neighbour(id="e0012", similarity=similarity, motivation="two old clocks"),))


def test_a_repetition_goes_back_with_how_the_earlier_idea_ended() -> None:
    """Another idea follows in the same conversation."""
    replies = iter((repetition(0.99), Neighbours(rows=())))
    driven = slot(PLAN, draft(), draft(SOUND + "\n# other\n", "other"), near=lambda _: next(replies))
    assert idea_of(driven).name == "other"
    prompt = prompts_of(driven)[2]
    assert "its motivation is that of e0012 (cosine 0.990)" in prompt
    assert "e0012 old-clocks: fitness 0.410, text loss 1.500" in prompt


def test_after_several_repetitions_the_grammar_takes_the_slot() -> None:
    """None of them ends the slot."""
    ideas = [draft(SOUND + f"\n# {number}\n") for number in range(3)]
    replies = iter((repetition(0.99), repetition(0.99)))
    driven = slot(PLAN, *ideas, max_repeats=2, near=lambda _: next(replies, Neighbours(rows=())))
    rejected = [post.event for post in driven.posts if isinstance(post.event, ProposalRejected)]
    assert [(one.reason, one.final) for one in rejected] == [("near_motivation", False)] * 2 + [("no_answer", False)]
    assert idea_of(driven).origin == "genetic"


def test_between_two_similarities_a_model_judges() -> None:
    """It compares mechanisms with the nearest five; what it takes for an earlier idea is rejected."""
    replies = iter((repetition(0.9), repetition(0.8), Neighbours(rows=())))
    driven = slot(
        PLAN, draft(), Sameness(same_as="e0012", why="both keep two decays"), draft(SOUND + "\n# 2\n"),
        Sameness(same_as="", why="it writes otherwise"), near=lambda _: next(replies),
    )  # fmt: skip
    rejected = next(post.event for post in driven.posts if isinstance(post.event, ProposalRejected))
    assert rejected.message == "a judge takes it for e0012: both keep two decays"
    assert idea_of(driven).origin == "model"
    comparison = next(question for question in driven.questions if isinstance(question, AskNeighbours))
    assert comparison.k == 5


def test_a_patch_changes_the_parents_source() -> None:
    """A text that does not occur once goes back to the model."""
    wrong = Patch(name="n", motivation="m.", replacements=[Replacement(search="no such line", replace="x")])
    right = Patch(name="n", motivation="m.", replacements=[Replacement(search="/ 16", replace="/ 8")])
    driven = slot(PLAN, wrong, right, form="patch")
    assert idea_of(driven).source == GLA.source.replace("/ 16", "/ 8")
    assert idea_of(driven).operator == "draft:patch"
    assert "occurs 0 times" in prompts_of(driven)[2]


def test_unit_by_unit_a_design_is_answered_and_rendered() -> None:
    """What passes is frozen, what fails is asked again, and the source is the grammar's own."""
    plan = UnitPlan(name="n", motivation="m.", questions=["memory.update", "no such", "gate"])
    driven = slot(plan, UnitChoice(unit="theta"), UnitChoice(unit="delta"), UnitChoice(unit="none"), form="units")
    idea = idea_of(driven)
    design = Design.from_json(idea.design)
    assert idea.source == render(design).source
    assert (design.paths[0].choices["update"], design.gate) == ("delta", "none")
    assert "unknown update 'theta'" in prompts_of(driven)[2]
    assert "These answers are settled and stay: memory.update delta." in prompts_of(driven)[3]


@pytest.mark.parametrize("form", ["patch", "cross", "units"])
def test_a_form_that_the_ancestors_do_not_allow_is_a_whole_file(form: str) -> None:
    """A parent without source and design leaves nothing else."""
    started = campaign_started(
        models={"researcher": "m"},
        prompts=library.versions(),
        roles={"researcher": {"forms": {form: 1.0}, "reflections": False}},
    )
    replies: dict[Any, Any] = {
        AskAncestry: Ancestry(started=started, rows=(PARENT.model_copy(update={"source": "", "design": None}),)),
        AskNeighbours: Neighbours(rows=()),
        AskInsights: CampaignInsights(),
        Completion: speaker(PLAN, draft()),
    }
    assert idea_of(decide(Researcher(), envelope_of(REQUEST, "e0003"), replies)).operator == "draft"


def test_a_source_that_reads_as_a_design_is_compared_by_structure() -> None:
    """Then no words are compared and no judge is asked; the proposal carries the design."""
    earlier = Neighbours(rows=(Neighbour(id="e0012", distance=0, motivation="other words"),))
    replies = iter((earlier, NO_NEIGHBOURS))
    driven = slot(PLAN, draft(), draft(GLA.source), near=lambda _: next(replies), read_designs=True)
    asked = [question for question in driven.questions if isinstance(question, AskNeighbours)]
    assert [question.text for question in asked] == ["", ""]
    assert [Design.from_json(question.design) for question in asked] == [BASELINES["deltanet"].design, GLA.design]
    rejected = next(post.event for post in driven.posts if isinstance(post.event, ProposalRejected))
    assert (rejected.reason, rejected.nearest) == ("near_design", "e0012")
    assert Design.from_json(idea_of(driven).design) == GLA.design


def test_a_source_of_no_design_is_compared_by_its_words() -> None:
    """As before."""
    driven = slot(PLAN, draft(SOUND.replace("bias=False", "bias=True")), read_designs=True)
    (asked,) = (question for question in driven.questions if isinstance(question, AskNeighbours))
    assert (asked.text, asked.design) == ("Two time scales answer two distances.", None)
    assert idea_of(driven).design is None
