"""The researcher: one idea for every slot, new enough to be worth a run.

An idea comes from a model where one is configured, else from genetic operators; either reads the parent, the
references, the papers that the parent's weakness retrieved, and what people said. Ideas that repeat an earlier source
or come too near an earlier motivation are said to be rejected, and another is drawn, a few times at most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal

from agents.llm import prompts
from agents.llm.schemas import Draft, parse_completion
from agents.search.breeding import baseline_proposal, breed, select_donors, slot_bias
from bus.delivery.role import Decision, Post, Subdecision
from bus.vocabulary.events import Event, ProposalCreated, ProposalRejected, ProposalRequested
from bus.vocabulary.queries import Ancestry, AskAncestry, AskNeighbours, Neighbour, Neighbours
from bus.vocabulary.questions import CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.ids import derive, fingerprint, rng, source_hash
from bus.wire.plain_text import clean_line, clean_text

NAME_CHARACTERS = 80
MOTIVATION_CHARACTERS = 1_500
SOURCE_CHARACTERS = 100_000
MESSAGE_CHARACTERS = 300
Repeat = Literal["duplicate_source", "near_motivation"]
FALLBACK_PREFIX = "fallback:"
"""Begins the operator of an idea that the grammar gave because a model did not answer."""


@dataclass(frozen=True, slots=True)
class ResearcherSettings:
    """What a researcher is told when it starts."""

    model: bool = False
    """Whether a model proposes; the grammar stands in where it does not answer."""
    max_ideas: int = 5
    """Ideas that may be rejected before the slot is given up."""
    novelty_threshold: float = 0.993
    """Cosine similarity of motivations above which an idea counts as one that was had before.

    Of 400 ideas bred from ten parents at a time, 3 of 100 lie above the default: the same change to nearly the same
    parent. Half lie below 0.87; the human baselines lie below 0.53 of each other (`python -m benchmarks.novelty`).
    """


class Researcher:
    """Decides what to try."""

    name: ClassVar[str] = "researcher"
    handles: ClassVar[tuple[type[Event], ...]] = (ProposalRequested,)

    def __init__(self, settings: ResearcherSettings | None = None) -> None:
        """Propose under these settings; a model answers Completion questions."""
        self._settings = settings or ResearcherSettings()

    def decide(self, envelope: Envelope) -> Decision:
        """Propose what the slot asks for, rejecting what is not new."""
        asked = envelope.event
        assert isinstance(asked, ProposalRequested)
        if asked.arm == "baseline":
            human = baseline_proposal(asked)
            return [
                Post(envelope.experiment, human or _no_answer(f"no baseline is called {asked.baseline}", final=True))
            ]
        model = self._settings.model
        ancestry: Ancestry = yield AskAncestry(
            campaign=envelope.campaign, at=envelope.seq, parent=asked.parent, references=asked.references, prose=model
        )
        breed = _breeder(asked, ancestry, rng(derive(envelope.campaign, envelope.experiment), self.name))
        rejected: list[ProposalRejected] = []
        while True:
            idea = (yield from _drafted(asked, ancestry, rejected)) if model else breed()
            if isinstance(idea, str):
                rejected.append(_no_answer(idea))
                model = False
                continue
            if self._settings.model and idea.origin == "genetic":
                idea = idea.model_copy(update={"operator": f"{FALLBACK_PREFIX}{idea.operator}"})
            verdict = yield from self._verdict(envelope, idea, rejected)
            if verdict is None:
                return [Post(envelope.experiment, one) for one in (*rejected, idea)]
            rejected.append(verdict)
            if verdict.final:
                return [Post(envelope.experiment, one) for one in rejected]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return what settles a slot that this researcher can't fill."""
        return [Post(envelope.experiment, _no_answer(reason, final=True))]

    def _verdict(
        self, envelope: Envelope, idea: ProposalCreated, rejected: list[ProposalRejected]
    ) -> Subdecision[ProposalRejected | None]:
        """Return why an idea is not tried, or None where it is new."""
        found: Neighbours = yield AskNeighbours(
            campaign=envelope.campaign, at=envelope.seq, text=idea.motivation, fingerprint=fingerprint(idea.source), k=1
        )
        final = 1 + sum(1 for one in rejected if one.reason != "no_answer") >= self._settings.max_ideas
        nearest = next(iter(found.rows), None)
        twin = nearest if nearest and nearest.same_source else None
        if twin or source_hash(idea.source) in {one.source_hash for one in rejected}:
            message = f"the same source as {twin.id if twin else 'an idea just rejected'}"
            return _rejection(idea, "duplicate_source", message, twin, final=final)
        if nearest and nearest.similarity > self._settings.novelty_threshold:
            message = f"its motivation is that of {nearest.id} (cosine {nearest.similarity:.3f})"
            return _rejection(idea, "near_motivation", message, nearest, final=final)
        return None


def _breeder(asked: ProposalRequested, ancestry: Ancestry, random: Random) -> Callable[[], ProposalCreated]:
    """Return what breeds one idea after another from the same ancestors."""
    started = ancestry.started
    baselines = list(started.baselines) if started else []
    stock = select_donors(asked, ancestry.rows, random.sample(baselines, len(baselines)))
    bias = slot_bias(started.goal if started else "", ancestry.cognition, asked.guidance)
    return lambda: breed(asked, stock, bias, ancestry.cognition, random)


def _drafted(
    asked: ProposalRequested, ancestry: Ancestry, rejected: list[ProposalRejected]
) -> Subdecision[ProposalCreated | str]:
    """Return the model's idea as a proposal, or one line that says why there is none."""
    goal = ancestry.started.goal if ancestry.started else ""
    reply: CompletionReply = yield prompts.proposal(
        goal, asked, ancestry.rows, ancestry.cognition, ancestry.near, rejected
    )
    draft = parse_completion(reply, Draft)
    if isinstance(draft, str):
        return draft
    name, why = clean_line(draft.name, NAME_CHARACTERS), clean_text(draft.motivation, MOTIVATION_CHARACTERS)
    if not (name and why and draft.source.strip()) or len(draft.source) > SOURCE_CHARACTERS:
        return "the model's draft lacks a name, a motivation or a source, or is too long"
    return ProposalCreated(
        name=name,
        motivation=why,
        source=clean_text(draft.source, SOURCE_CHARACTERS) + "\n",
        origin="model",
        operator="draft",
        parent=asked.parent,
        references=asked.references,
        cognition=tuple(entry.key for entry in ancestry.cognition),
        guidance=asked.guidance,
    )


def _rejection(
    idea: ProposalCreated, reason: Repeat, message: str, nearest: Neighbour | None, *, final: bool
) -> ProposalRejected:
    """Return an idea's rejection."""
    return ProposalRejected(
        name=idea.name,
        motivation=idea.motivation,
        reason=reason,
        message=message,
        nearest=nearest.id if nearest else None,
        similarity=nearest.similarity if nearest else None,
        source_hash=source_hash(idea.source),
        final=final,
    )


def _no_answer(why: str, *, final: bool = False) -> ProposalRejected:
    """Return the rejection that stands for an idea that did not come."""
    return ProposalRejected(
        name="", motivation="", reason="no_answer", message=clean_line(why, MESSAGE_CHARACTERS), final=final
    )
