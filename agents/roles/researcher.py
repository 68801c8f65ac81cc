"""The researcher: one idea for every slot, new enough to be worth a run.

An idea comes from a language model if the campaign names one for this role (`agents.thinking.designing`), otherwise
from genetic operators. Both read the parent, the references, the papers that the parent's weakness retrieved, and
people's guidance. An idea that repeats an earlier one is rejected, and another is drawn, a few times at most. If a
model gives no new idea, the operators take the slot.
"""

from collections.abc import Iterator
from random import Random
from typing import Literal

from pydantic import Field

from agents.llm.prompts import first
from agents.llm.prompts.idea import Facts
from agents.search.arms import is_guided
from agents.search.breeding import baseline_proposal, breed, prior_proposal, select_donors, slot_bias
from agents.search.draws import search_draws
from agents.search.leaning import leaning
from agents.search.ranked_children import Ancestors, ranked_children
from agents.search.space import Grammar
from agents.thinking.designing import Designer, DesigningSettings
from agents.thinking.novelty import NEAREST, NoveltyJudge, Repetition
from agents.thinking.single import SingleQuestion
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import (
    CONTROL_ARMS,
    CampaignStarted,
    ModelAnswered,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
)
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskNeighbours,
    AskUnitEffects,
    Neighbour,
    Neighbours,
    UnitEffects,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint, source_hash
from bus.wire.plain_text import clean_line

MESSAGE_CHARACTERS = 300
FALLBACK_PREFIX = "fallback:"
"""Starts the operator of an idea that the grammar made because the model gave no answer."""


class ResearcherSettings(DesigningSettings):
    """`[roles.researcher]`: how new an idea has to be, and what biases it."""

    max_ideas: int = Field(default=5, ge=1)
    """Ideas that may be rejected before the slot is given up."""
    min_distance: int = Field(default=1, ge=0)
    """Units in which a design has to differ from every earlier one; 0 allows repetitions."""
    max_similarity: float = Field(default=0.993, ge=0, le=1)
    """Cosine similarity of motivations above which an idea counts as an earlier one, if motivations are compared.

    Among 400 ideas bred from ten parents at a time, 2.8 % are above the default: the same change to nearly the same
    parent. The median is 0.85. No two human baselines are more similar than 0.54 (`python -m benchmarks.novelty`).
    """
    paper_bias: Literal["units", "text"] = "units"
    """What of a paper biases the choice of units: the units that it names, or words recognised in its text too."""
    cognition: bool = True
    """Whether ideas read papers; a campaign without is the control for what papers contribute."""
    max_paper_share: float = Field(default=0.05, gt=0, le=1)
    """Share of the proposals so far above which a paper leads no further one, though it always may lead three. Below 1,
    papers are also chosen to differ. Memory reads both settings (`memory.queries.ancestry`); a log without this one has
    the nearest papers, as with 1."""
    formulas: float = Field(default=0.25, ge=0, le=1)
    """Share of the grammar's ideas that change a formula; 0 keeps to named units, as logs without this setting do."""
    leaning: float = Field(default=1.0, ge=1, le=100)
    """Factor on the weights of units that the campaign has shown to help, and one over it for those that hurt: units
    whose effect has an interval of 95 % on one side of 0. 1 leans to none, as in logs without this setting."""
    normal_forms: bool = True
    """Whether designs that compute one function are proposed in one form, so that a second one counts as no new idea;
    logs without this setting take every form for a design of its own."""
    wished_grammar: bool = True
    """Whether ideas under a person's wish take normal forms and coined formulas too; in older logs they don't."""


class Researcher:
    """Decides what to try."""

    def decide(self, envelope: Envelope) -> Decision:
        """Propose what the slot asks for, rejecting what is not new."""
        request = envelope.event
        assert isinstance(request, ProposalRequested)
        if request.arm == "baseline":
            return [Post(envelope.experiment, _baseline(request))]
        if request.arm == "prior":
            return [Post(envelope.experiment, prior_proposal(request))]
        ancestry: Ancestry = yield AskAncestry(
            campaign=envelope.campaign,
            at=envelope.seq,
            parent=request.parent,
            references=request.references,
            reader=SPEC.name,
        )
        effects = yield from _known_effects(envelope, ancestry.started)
        idea = yield from _Slot(envelope, request, ancestry, effects).fill()
        return [Post(envelope.experiment, event) for event in idea]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the rejection that settles a slot that can't be filled."""
        return [Post(envelope.experiment, _no_answer(reason, final=True))]


def _known_effects(envelope: Envelope, started: CampaignStarted | None) -> Subdecision[UnitEffects]:
    """Return the effects of units, if ideas lean to those that help."""
    if settings_of(started).leaning == 1:
        return UnitEffects()
    return (yield AskUnitEffects(campaign=envelope.campaign, at=envelope.seq))


class _Slot:
    """One slot while it is being filled."""

    def __init__(
        self, envelope: Envelope, request: ProposalRequested, ancestry: Ancestry, effects: UnitEffects
    ) -> None:
        self._envelope, self._request, self._ancestry, self._effects = envelope, request, ancestry, effects
        self._started = ancestry.started
        self._settings = settings_of(ancestry.started)
        self._random = self._draws(SPEC.name)
        self._ancestors = self._find_ancestors()
        self._children: Iterator[ProposalCreated] | None = None
        """The ranked children that are left; None before they are bred."""
        self._rejections: list[ProposalRejected] = []
        self._counted: list[ProposalRejected] = []
        """Rejections that count towards the end of the slot."""
        self._model = self._thinker()
        self._judge = NoveltyJudge(envelope, ancestry.started, SPEC.name) if ancestry.started else None

    def fill(self) -> Subdecision[list[ProposalRejected | ProposalCreated]]:
        """Return the rejected ideas and, last, the one to try; rejections alone if none is new."""
        model = self._model
        while True:
            idea = (yield from model.propose()) if model else (yield from self._breed())
            if isinstance(idea, str):
                self._rejections.append(_no_answer(idea))
                model = None
                continue
            if self._model and idea.origin == "genetic":
                idea = idea.model_copy(update={"operator": f"{FALLBACK_PREFIX}{idea.operator}"})
            rejection = yield from self._rejection(idea)
            if rejection is None:
                return [*self._rejections, idea]
            self._rejections.append(rejection)
            if rejection.final:
                return [*self._rejections]
            if model:
                yield from model.reject(rejection)

    def _thinker(self) -> Designer | SingleQuestion | None:
        """Return who asks the campaign's model for ideas; None without a model, and in a control's slot."""
        if self._started is None or SPEC.name not in self._started.models or self._request.arm in CONTROL_ARMS:
            return None
        facts = Facts(self._request, self._ancestry)
        if first.is_first(self._started):
            return SingleQuestion(self._envelope, facts, SPEC.name)
        return Designer(self._envelope, facts, self._settings, SPEC.name, self._draws(f"{SPEC.name}:form"))

    def _draws(self, purpose: str) -> Random:
        return search_draws(self._envelope.campaign, self._envelope.experiment, purpose, self._started)

    def _find_ancestors(self) -> Ancestors:
        """Return what all ideas of the slot are bred from."""
        baselines = list(self._started.baselines) if self._started else []
        donors = select_donors(self._request, self._ancestry.rows, self._random.sample(baselines, len(baselines)))
        guided = is_guided(self._request.arm)
        goal = self._started.goal if self._started and guided else ""
        cognition = self._ancestry.cognition if guided else ()
        lean = leaning(self._effects, self._settings.leaning if guided else 1.0)
        bias = slot_bias(goal, cognition, self._request, lean, from_text=self._settings.paper_bias == "text")
        coined = self._ancestry.coined if self._settings.formulas else ()
        grammar = Grammar(self._settings.formulas, self._settings.normal_forms, coined, self._settings.wished_grammar)
        return Ancestors(donors, bias, cognition, grammar)

    def _breed(self) -> Subdecision[ProposalCreated]:
        """Return the best ranked child that is left, or without any the first design that comes."""
        if self._children is None:
            self._children = yield from ranked_children(self._envelope, self._request, self._ancestors, self._random)
        child, of = next(self._children, None), self._ancestors
        request = self._request.model_copy(update={"graft": None}) if self._rejections else self._request
        return child or breed(request, of.donors, of.bias, of.cognition, self._random, of.grammar)

    def _rejection(self, idea: ProposalCreated) -> Subdecision[ProposalRejected | None]:
        """Return why an idea is not tried, or None if it is new."""
        by_structure = idea.design is not None and self._started is not None and self._started.novelty == "structure"
        thinks = isinstance(self._model, Designer) and idea.origin == "model"
        neighbours: Neighbours = yield AskNeighbours(
            campaign=self._envelope.campaign,
            at=self._envelope.seq,
            text="" if by_structure else idea.motivation,
            design=idea.design if by_structure else None,
            fingerprint=fingerprint(idea.source),
            k=NEAREST if thinks and not by_structure else 1,
        )
        found = self._repetition(idea, next(iter(neighbours.rows), None))
        if found is None and thinks and self._judge:
            near = [one for one in neighbours.rows if (one.similarity or 0.0) >= self._settings.judged_similarity]
            found = (yield from self._judge.same_as(idea, tuple(near))) if near else None
        return self._rejected(idea, found) if found else None

    def _repetition(self, idea: ProposalCreated, nearest: Neighbour | None) -> Repetition | None:
        """Return which earlier idea this one is, by source, structure or words; None if it is new."""
        if nearest and nearest.same_source:
            return Repetition("duplicate_source", f"the same source as {nearest.id}", nearest)
        if source_hash(idea.source) in {rejection.source_hash for rejection in self._rejections}:
            return Repetition("duplicate_source", "the same source as an idea just rejected", nearest)
        if nearest and nearest.distance is not None and nearest.distance < self._settings.min_distance:
            message = (
                f"{nearest.distance} units differ from {nearest.id}, at least {self._settings.min_distance} have to"
            )
            return Repetition("near_design", message, nearest)
        most = self._settings.max_similarity
        if isinstance(self._model, Designer) and idea.origin == "model":
            most = min(most, self._settings.same_similarity)
        if nearest and nearest.similarity is not None and nearest.similarity > most:
            message = f"its motivation is that of {nearest.id} (cosine {nearest.similarity:.3f})"
            return Repetition("near_motivation", message, nearest)
        return None

    def _rejected(self, idea: ProposalCreated, found: Repetition) -> ProposalRejected:
        """Return the rejection of an idea; a conversation's ideas don't end the slot, since the grammar follows."""
        nearest, counts = found.nearest, not (isinstance(self._model, Designer) and idea.origin == "model")
        rejection = ProposalRejected(
            name=idea.name,
            motivation=idea.motivation,
            reason=found.reason,
            message=clean_line(found.message, MESSAGE_CHARACTERS),
            nearest=nearest.id if nearest else None,
            similarity=nearest.similarity if nearest else None,
            distance=nearest.distance if nearest else None,
            source_hash=source_hash(idea.source),
            final=counts and len(self._counted) + 1 >= self._settings.max_ideas,
        )
        self._counted += [rejection] * counts
        return rejection


def settings_of(started: CampaignStarted | None) -> ResearcherSettings:
    """Return the settings in force in a campaign; what an older log does not set is as it was then."""
    recorded = started.roles.get(SPEC.name, {}) if started else {}
    then = {"formulas": 0.0, "normal_forms": False, "wished_grammar": False, "read_designs": False, "gate_checks": 0}
    return ResearcherSettings.model_validate(then | recorded)


def _baseline(request: ProposalRequested) -> ProposalCreated | ProposalRejected:
    """Return the human design that a slot asks for."""
    return baseline_proposal(request) or _no_answer(f"no baseline is called {request.baseline}", final=True)


def _no_answer(why: str, *, final: bool = False) -> ProposalRejected:
    """Return the rejection that stands for an idea that did not come."""
    message = clean_line(why, MESSAGE_CHARACTERS)
    return ProposalRejected(name="", motivation="", reason="no_answer", message=message, final=final)


SPEC = RoleSpec(
    name="researcher",
    summary="proposes one new design per slot",
    subscribes=(ProposalRequested,),
    publishes=(ProposalRejected, ProposalCreated, ModelAnswered),
    ends_with=(ProposalRejected, ProposalCreated),
    asks=True,
    uses_model=True,
    tries_sources=True,
    settings=ResearcherSettings,
    build=Researcher,
    concurrency=32,
)
