"""The judge's conversation: findings, the weakness to address next, and marks against the nearest earlier ideas.

A campaign has one kind of judge (`[roles.analyst] judge`), since marks of a model and of a formula are no one scale. If
the model gives no answer, the marks are neutral: those of a design that is like the baselines. So they are if a model
answers that CampaignStarted does not name.
"""

from dataclasses import dataclass
from statistics import median

from agents.llm.asking import ask
from agents.llm.prompts import first, library, result
from agents.llm.schemas import Judgement
from agents.thinking.conversation import RoleConversation
from bus.delivery.role import Subdecision, together
from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import AskExperiments, AskNeighbours, Experiments, Neighbours, Peers
from bus.wire.envelope import Envelope

JUDGE = "judge"
"""Agent whose model judges, if the campaign names one; else the analyst's own."""
NEAREST_IDEAS = 5
NEUTRAL_MARK = 5
"""Mark of a design that is like the baselines."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judgement, and who gave it."""

    judgement: Judgement | None
    """None if no model answered."""
    by: str
    """Model and prompt version, as `model, judgement 1:0a1b2c3d`; empty for logs before prompt versions."""


def opinion(
    envelope: Envelope, peers: Peers, findings: tuple[str, ...], weakness: str, judgements: int, role: str
) -> Subdecision[Opinion]:
    """Return the model's opinion of a result; with several judgements, the words of the first and the median marks."""
    started, this = peers.started, peers.this
    assert started is not None, "a campaign that names a model has started"
    if first.is_first(started):
        question = first.judgement(peers, findings, weakness)
        asked = yield from ask(envelope, question, Judgement, agent=role, experiment=this.id)
        return Opinion(asked.answer, "")
    facts = yield from _facts(envelope, peers, findings, weakness)
    talks = [_conversation(envelope, started, this.id, facts, role) for _ in range(judgements)]
    answers = yield from together(talk.ask("judge_task", Judgement) for talk in talks)
    given = [
        answer
        for talk, answer in zip(talks, answers, strict=True)
        if isinstance(answer, Judgement) and _may_mark(started, talk)
    ]
    model = next((talk.model for talk in reversed(talks) if talk.model and _may_mark(started, talk)), "")
    signature = f"{model or 'model'}, judgement {library.digest(started, 'judgement')}"
    return Opinion(_median(given) if given else None, signature)


def _may_mark(started: CampaignStarted, talk: RoleConversation) -> bool:
    """Return whether a conversation's model is one that the campaign named at its start.

    A service may have other settings than the campaign was started with, and another model marks on another scale.
    """
    named = {choice.model for choice in started.model_choices.get(talk.agent, ())}
    return not named or talk.model in named


def _conversation(
    envelope: Envelope, started: CampaignStarted, experiment: str, facts: str, role: str
) -> RoleConversation:
    agent = JUDGE if JUDGE in started.models else role
    instructions = library.text(started, "judgement")
    return RoleConversation(
        envelope, started, agent, "judgement", instructions, facts, max_tokens=result.MAX_TOKENS, experiment=experiment
    )


def _facts(envelope: Envelope, peers: Peers, findings: tuple[str, ...], weakness: str) -> Subdecision[str]:
    """Ask for the words of parent, grandparent, siblings and nearest ideas, and return what the judge reads."""
    this = peers.this
    near: Neighbours = yield AskNeighbours(
        campaign=envelope.campaign, at=envelope.seq, text=this.motivation, exclude=this.id, k=NEAREST_IDEAS
    )
    names = [this.parent_id, peers.grandparent_id, *peers.sibling_ids, *(one.id for one in near.rows)]
    related = Experiments(rows=())
    if ids := tuple(dict.fromkeys(filter(None, names))):
        related = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
    return result.evidence(peers, related.rows, findings, weakness)


def _median(given: list[Judgement]) -> Judgement:
    """Return the first judgement with the median of all marks."""
    marks = {
        name: round(median(getattr(one, name) for one in given)) for name in ("performance", "innovation", "complexity")
    }
    return given[0].model_copy(update=marks)
