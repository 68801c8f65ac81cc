"""The researcher's conversation: a plan, its code, the static check and the gates, two reflections, and again.

A fault goes back into the conversation, and so does a repetition with what became of the earlier idea. Both are
bounded: then `propose` returns a line, and the grammar takes the slot. So no slot is lost to a model.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Literal

from pydantic import Field

from agents.analysis.insights import insights_text
from agents.llm.prompts import figures, idea
from agents.llm.prompts.contract import system
from agents.llm.prompts.idea import Facts
from agents.llm.schemas import Draft, Patch, Plan, Reflection
from agents.thinking import forms, unitwise
from agents.thinking.conversation import RoleConversation
from agents.thinking.correcting import Attempt, Fault, authored
from agents.thinking.forms import Form, Written
from agents.thinking.novelty import structure_of
from bus.delivery.role import Subdecision
from bus.delivery.role_spec import RoleSettings
from bus.vocabulary.events import ProposalCreated, ProposalRejected
from bus.vocabulary.queries import AskExperiments, AskInsights, CampaignInsights, Experiments
from bus.wire.envelope import Envelope

ToolName = Literal[
    "search_papers", "similar_ideas", "show_experiment", "diff", "unit_effects", "failures_like", "check_source"
]


class DesigningSettings(RoleSettings):
    """Settings of a researcher that has a model; without one they have no effect."""

    plan: bool = True
    """Whether a model plans before it writes code."""
    reflections: bool = True
    """Whether it looks twice: is the plan new, is the code right."""
    tools: tuple[ToolName, ...] = (
        "search_papers",
        "similar_ideas",
        "show_experiment",
        "diff",
        "unit_effects",
        "failures_like",
        "check_source",
    )
    """Read-only tools that a model may call; none for a model without tools."""
    gate_checks: int = Field(default=4, ge=0, le=20)
    """Sources that trainers put through the gates in the conversation of a slot, for `check_source` and before an idea
    is proposed; 0 for the static check alone, as in logs without this setting."""
    corrections: int = Field(default=3, ge=0)
    """Times that a model may correct an idea with a fault before the grammar takes the slot."""
    max_repeats: int = Field(default=3, ge=1)
    """Ideas of a model that may repeat earlier ones before the grammar takes the slot."""
    judged_similarity: float = Field(default=0.35, ge=0, le=1)
    """Cosine similarity of motivations from which a model judges whether its idea is an earlier one.

    Paraphrases of one idea have 0.31 to 0.66, ideas of the same words with another mechanism 0.57 to 0.84, so no
    threshold tells them apart (`python -m benchmarks.novelty`).
    """
    same_similarity: float = Field(default=0.97, ge=0, le=1)
    """The same above which it is one without a question: a copy with a few other words."""
    read_designs: bool = True
    """Whether a model's source is read back into a design of the grammar, so that structure is compared in place of
    words; not in logs without this setting."""
    forms: Mapping[Form, float] = Field(default={"whole": 0.4, "patch": 0.3, "cross": 0.15, "units": 0.15})
    """How often each form of an edit is used, relative to the others that a slot allows."""
    prompt_tokens: int = Field(default=24_000, ge=1_000)
    """About how many tokens the facts of a slot and the conversation may take, the contract not counted."""


class Designer:
    """Fills a slot by a conversation."""

    def __init__(
        self, envelope: Envelope, facts: Facts, settings: DesigningSettings, agent: str, random: Random
    ) -> None:
        """Prepare a conversation without asking anything."""
        self._envelope, self._facts, self._settings = envelope, facts, settings
        self._form: Form = forms.draw_form(facts, settings.forms, random)
        self._talk = RoleConversation(
            envelope, facts.ancestry.started, agent, "plan", "", "", max_tokens=settings.prompt_tokens,
            gate_checks=settings.gate_checks,
        )  # fmt: skip
        self._repeats = 0

    def propose(self) -> Subdecision[ProposalCreated | str]:
        """Return the model's next idea, or one line that says why there is none."""
        if self._repeats >= self._settings.max_repeats:
            return f"{self._repeats} ideas repeated earlier ones"
        if not self._talk.facts:
            why = yield from self._begin()
            if why:
                return why
        idea = (yield from self._units()) if self._form == "units" else (yield from self._write())
        if isinstance(idea, str):
            return idea
        if self._settings.read_designs:
            idea = replace(idea, design=structure_of(idea.source, idea.design))
        return forms.proposal(idea, self._operator(), self._facts)

    def reject(self, rejection: ProposalRejected) -> Subdecision[None]:
        """Say in the conversation which earlier idea this one is, and how that ended."""
        self._repeats += 1
        ended = ""
        if rejection.nearest:
            rows: Experiments = yield AskExperiments(
                campaign=self._envelope.campaign, at=self._envelope.seq, ids=(rejection.nearest,)
            )
            ended = "\n".join(figures.ending(row) for row in rows.rows)
        self._talk.tell("repeats", f"{rejection.message}\nWhich ended so: {ended or 'not yet'}", "lab")
        self._form = "whole"

    def _operator(self) -> str:
        return "draft" if self._form == "whole" else f"draft:{self._form}"

    def _begin(self) -> Subdecision[str]:
        """Gather the facts and plan; return a line if the model gives no plan, else nothing."""
        facts = self._facts
        if ids := tuple(near.id for near in facts.ancestry.near):
            rows: Experiments = yield AskExperiments(campaign=self._envelope.campaign, at=self._envelope.seq, ids=ids)
            facts = replace(facts, tried=rows.rows)
        known: CampaignInsights = yield AskInsights(campaign=self._envelope.campaign, at=self._envelope.seq)
        facts = replace(facts, insights=insights_text(known.newest) if known.newest else "")
        self._talk.system = system(facts.ancestry.started, "plan")
        self._talk.facts = idea.brief(facts, self._settings.prompt_tokens)
        if not self._settings.plan or self._form == "units":
            return ""
        plan = yield from self._talk.ask("plan_task", Plan, tools=self._settings.tools)
        if isinstance(plan, str):
            return plan
        if self._settings.reflections:
            yield from self._talk.ask("is_new_task", Reflection, tools=self._settings.tools)
        return ""

    def _write(self) -> Subdecision[Written | str]:
        """Return an architecture without a fault, or one line that says why there is none."""
        task, schema = forms.TASKS[self._form]
        task = "another_task" if self._repeats else task
        review = "is_right_task" if self._settings.reflections else ""
        return (yield from self._authored(task, partial(self._attempt, schema), review, "sound source"))

    def _units(self) -> Subdecision[Written | str]:
        """Return a design whose units were answered one by one, or one line that says why there is none."""
        parent = self._facts.parent
        assert parent is not None, "the form of units needs a parent with a design"
        attempt = partial(unitwise.design, self._talk, parent, self._settings.tools)
        return (yield from self._authored("", lambda _: attempt(), "", "new design"))

    def _authored(self, task: str, attempt: Attempt[Written], review: str, what: str) -> Subdecision[Written | str]:
        """Return what came of attempts with corrections; without an answer one line, even if a doubted idea stands."""
        corrections = self._settings.corrections
        done = yield from authored(self._talk, task, attempt, review=review, corrections=corrections)
        if isinstance(done.ended, Fault):
            return done.sound or f"no {what} after {corrections} corrections: {done.ended.message}"
        if done.ended:
            return done.ended
        assert done.sound, "it is sound or has ended"
        return done.sound

    def _attempt(self, schema: type[Draft] | type[Patch], task: str) -> Subdecision[Written | Fault | str]:
        """Return what the model wrote, or its fault; one line if it gave no answer."""
        answer = yield from self._talk.ask(task, schema, tools=self._settings.tools)
        if isinstance(answer, str):
            return answer
        parent = self._facts.parent
        idea = forms.written(answer, parent.source if parent else "")
        return (yield from self._checked(idea)) if isinstance(idea, Written) else idea

    def _checked(self, idea: Written) -> Subdecision[Written | Fault]:
        """Return an idea, or what the static check or a gate finds in its source."""
        if fault := forms.static_fault(idea.source):
            return Fault(fault)
        fault = yield from self._talk.gate_fault(idea.source)
        return Fault(fault, "candidate") if fault else idea
