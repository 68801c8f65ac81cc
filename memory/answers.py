"""The answer to every query, as of the position it asks about: pure reads of what memory holds.

The service answers running roles with these, and a reader that opens a stopped lab's file answers a person with the
same ones. `at` may not lie beyond what has been read: to wait for it is the service's business.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskStanding,
    AskTrial,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    Experiment,
    Experiments,
    ExperimentSetup,
    Neighbour,
    Neighbours,
    Peers,
    Query,
)
from memory.projections import ProposalRow
from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import ExperimentState, if_by, up_to
from memory.store import Store
from memory.views.campaign import campaign_status
from memory.views.experiments import design_view, detail_view, figures_view, full_view, summary_view

MAX_SIBLINGS = 20
"""The most siblings an answer tells of, the newest analysed ones."""


class MotivationSearch(Protocol):
    """What motivations mean, as far as answers need to know; `memory.retrieval.ideas.Ideas` is the real one."""

    def novelty(self, course: CampaignState, proposal: ProposalRow) -> float | None:
        """Return 1 - the highest cosine similarity to an earlier motivation of the campaign; None where unknown."""
        ...

    def nearest(self, course: CampaignState, text: str, count: int, k: int) -> list[tuple[ProposalRow, float]]:
        """Return the k nearest of the campaign's first `count` proposals with their similarities, nearest first."""
        ...

    def similarity(self, course: CampaignState, text: str, proposal: ProposalRow) -> float:
        """Return the cosine similarity of a text to a motivation."""
        ...


class CognitionSearch(Protocol):
    """Published knowledge; `memory.cognition.Library` is the real one."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return at most k entries that are near enough to a problem, nearest first."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What answers are made from."""

    store: Store
    ideas: MotivationSearch | None
    literature: CognitionSearch | None


def motivations_compared(store: Store, query: Query) -> tuple[CampaignState | None, int]:
    """Return whose motivations, and how many of the first, have to be embedded before a query can be answered."""
    at = query.at or store.position
    course = store.read_model.find_campaign(query.campaign, at)
    if course is None:
        return None, 0
    if isinstance(query, AskNeighbours) or (isinstance(query, AskAncestry) and query.prose):
        return course, course.proposal_count(at)
    ids = query.ids if isinstance(query, AskExperiments) else (query.experiment,) if isinstance(query, AskPeers) else ()
    judged = [_judged(course.experiments[name], at) for name in ids if name in course.experiments]
    return course, max((course.proposal_index(proposal) + 1 for proposal in judged if proposal), default=0)


def texts_compared(store: Store, query: Query) -> list[str]:
    """Return the texts that have to be embedded before a query can be answered."""
    if isinstance(query, AskNeighbours | AskCognition):
        return [query.text]
    at = query.at or store.position
    course = store.read_model.find_campaign(query.campaign, at)
    if not isinstance(query, AskAncestry) or course is None:
        return []
    return [text for text in (_problem(course, query, at), _thought(course, query, at)) if text]


def answer(store: Store, ideas: MotivationSearch | None, literature: CognitionSearch | None, query: Query) -> Record:
    """Return the reply to a query. Raises ValueError where it asks about what is not there."""
    at = query.at or store.position
    if at > store.position:
        raise ValueError(f"memory has read the log up to {store.position}, the question is about {at}")
    if isinstance(query, AskCognition):
        return _cognition(literature, query)
    course = store.read_model.find_campaign(query.campaign, at)
    if course is None:
        return _nothing(query, at)
    return _ANSWERS[type(query)](Sources(store, ideas, literature), course, query, at)


def _nothing(query: Query, at: int) -> Record:
    """Answer about a campaign that the log does not hold."""
    if isinstance(query, AskAncestry):
        return Ancestry()
    if isinstance(query, AskPeers | AskTrial):
        raise ValueError(f"there is no experiment {query.experiment!r}: no campaign up to {at}")  # noqa: TRY004
    return CampaignStatus(last_seq=at) if isinstance(query, AskStanding) else query.Reply.model_validate({"rows": ()})


def _standing(_held: Sources, course: CampaignState, _query: AskStanding, at: int) -> CampaignStatus:
    return campaign_status(course, at)


def _experiments(held: Sources, course: CampaignState, query: AskExperiments, at: int) -> Experiments:
    """List all in short form, or the named ones whole."""
    if not query.ids:
        first = bisect_right(course.opened, query.after, key=attrgetter("opened_seq"))
        page = course.opened[first : course.opened_count(at)][: query.limit or None]
        return Experiments.model_construct(rows=_listing(page, at))
    lives = [
        course.experiments[name]
        for name in query.ids
        if name in course.experiments and course.experiments[name].opened(at)
    ]
    rows = tuple(full_view(held.store, life, at, _novelty(held.ideas, course, life, at)) for life in _in_order(lives))
    return Experiments.model_construct(rows=rows)


def _asked(course: CampaignState, query: AskPeers | AskTrial, at: int) -> ExperimentState:
    """Return the experiment that is asked about. Raises ValueError."""
    this = course.experiments.get(query.experiment)
    if this is None or not this.opened(at):
        raise ValueError(f"there is no experiment {query.experiment!r} in {course.campaign} up to {at}")
    return this


def _trial(held: Sources, course: CampaignState, query: AskTrial, at: int) -> ExperimentSetup:
    """Tell what an experiment is tried with and against."""
    life = _asked(course, query, at)
    return ExperimentSetup.model_construct(
        this=detail_view(held.store, life, at, source=True) if query.source else summary_view(life, at),
        started=_started(course, at),
        baselines=tuple(figures_view(life, at) for life in course.trained_baselines(at)),
    )


def _started(course: CampaignState, at: int) -> CampaignStarted | None:
    return course.started if if_by(course.opening, at) else None


def _peers(held: Sources, course: CampaignState, query: AskPeers, at: int) -> Peers:
    """Set an experiment beside its parent, siblings and baselines."""
    this = _asked(course, query, at)
    origin = if_by(this.proposal, at) or if_by(this.slot, at)
    parent = course.experiments.get(origin.parent) if origin and origin.parent else None
    scores = (life.score(at) for life in _siblings(course, this, parent, at))
    return Peers.model_construct(
        this=detail_view(held.store, this, at, source=query.source, novelty=_novelty(held.ideas, course, this, at)),
        parent=figures_view(parent, at) if parent and parent.opened(at) else None,
        siblings=tuple(score.val_loss for score in scores if score),
        baselines=tuple(figures_view(life, at) for life in course.trained_baselines(at)),
        baselines_pending=course.baselines_pending(at),
        awaiting=tuple(row.experiment for row in course.awaiting(at)),
    )


def _siblings(
    course: CampaignState, this: ExperimentState, parent: ExperimentState | None, at: int
) -> list[ExperimentState]:
    """Return the other analysed children of a parent, in the order they were opened."""
    newest = up_to(course.children.get(parent.id, ()), at, newest=MAX_SIBLINGS + 1) if parent else ()
    return _in_order(course.experiments[row.experiment] for row in newest if row.experiment != this.id)[-MAX_SIBLINGS:]


def _ancestry(held: Sources, course: CampaignState, query: AskAncestry, at: int) -> Ancestry:
    """Tell what an idea may start from, and what is known about the problem it answers to."""
    store, names = held.store, {query.parent or "", *query.references}
    lives = _in_order(
        course.experiments[name] for name in names if name in course.experiments and course.experiments[name].opened(at)
    )
    problem, thought = _problem(course, query, at), _thought(course, query, at)
    alike = AskNeighbours(text=thought, exclude=query.parent or "")
    return Ancestry.model_construct(
        started=_started(course, at),
        rows=tuple(
            detail_view(store, life, at, source=True) if query.prose else design_view(store, life, at) for life in lives
        ),
        cognition=_cognition(held.literature, AskCognition(text=problem)).rows if problem else (),
        near=_neighbours(held, course, alike, at).rows if query.prose and thought else (),
    )


def _problem(course: CampaignState, query: AskAncestry, at: int) -> str:
    """Return the weakness that the parent's analysis named, else the campaign's goal."""
    parent, started = _parent(course, query, at), _started(course, at)
    analysis = if_by(parent.analysis, at) if parent else None
    return (analysis.problem if analysis else "") or (started.goal if started else "")


def _thought(course: CampaignState, query: AskAncestry, at: int) -> str:
    """Return the parent's motivation where ideas near it are wanted."""
    parent = _parent(course, query, at) if query.prose else None
    proposal = if_by(parent.proposal, at) if parent else None
    return proposal.motivation if proposal else ""


def _parent(course: CampaignState, query: AskAncestry, at: int) -> ExperimentState | None:
    life = course.experiments.get(query.parent or "")
    return life if life and life.opened(at) else None


def _neighbours(held: Sources, course: CampaignState, query: AskNeighbours, at: int) -> Neighbours:
    """Find ideas that resemble a text; an identical source comes first, however it was explained."""
    ideas = held.ideas
    if ideas is None:
        raise ValueError("ideas are compared by the memory of a running lab")
    same = course.same_source(query.fingerprint, at) if query.fingerprint else set()
    nearest = ideas.nearest(course, query.text, course.proposal_count(at), query.k + bool(query.exclude))
    found = {row.experiment: near for row, near in nearest}
    for proposal in (course.experiments[name].proposal for name in same - found.keys()):
        if proposal is not None:
            found[proposal.experiment] = ideas.similarity(course, query.text, proposal)
    found.pop(query.exclude, None)
    rows = [_neighbour(course.experiments[name], near, name in same) for name, near in found.items()]
    rows.sort(key=lambda row: (not row.same_source, -row.similarity, course.experiments[row.id].opened_seq))
    return Neighbours(rows=tuple(rows[: query.k]))


def _neighbour(life: ExperimentState, similarity: float, same_source: bool) -> Neighbour:
    motivation = life.proposal.motivation if life.proposal else ""
    return Neighbour(id=life.id, similarity=similarity, motivation=motivation, same_source=same_source)


def _cognition(literature: CognitionSearch | None, query: AskCognition) -> Cognition:
    """Look a problem up; what is published does not hang on the log."""
    if literature is None:
        raise ValueError("the cognition base is read by the memory of a running lab")
    return Cognition(rows=literature.nearest(query.text, query.k, query.min_similarity))


def _novelty(ideas: MotivationSearch | None, course: CampaignState, life: ExperimentState, at: int) -> float | None:
    proposal = _judged(life, at)
    return ideas.novelty(course, proposal) if ideas is not None and proposal is not None else None


def _judged(life: ExperimentState, at: int) -> ProposalRow | None:
    """Return the proposal of an experiment whose novelty counts: one that has been trained.

    Before that nobody judges it, and who asks about it need not wait for the sentence model.
    """
    return life.proposal if if_by(life.completion, at) else None


def _listing(lives: Iterable[ExperimentState], at: int) -> tuple[Experiment, ...]:
    return tuple(summary_view(life, at) for life in lives)


def _in_order(lives: Iterable[ExperimentState]) -> list[ExperimentState]:
    return sorted(lives, key=attrgetter("opened_seq"))


_ANSWERS: dict[type[Query], Callable[[Sources, CampaignState, Any, int], Record]] = {
    AskStanding: _standing,
    AskExperiments: _experiments,
    AskPeers: _peers,
    AskTrial: _trial,
    AskAncestry: _ancestry,
    AskNeighbours: _neighbours,
}
"""Who answers what about a campaign."""
