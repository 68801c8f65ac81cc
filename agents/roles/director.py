"""The director: opens slots, renews the pool, and says when a campaign pauses, resumes and ends.

Every choice is a function of the log up to the event decided upon (`docs/architecture.md`, "Slots"). The t-th
settlement opens slot t + K − 1, and that one alone: those before it are the business of earlier settlements, whose
decisions may still be under way. What was held back meanwhile is opened by the event that lets slots be opened again.
The stream refuses a second opening, whoever says it. The ending is said upon any event that finds the campaign over and
not ended, and the stream takes one: whatever became of the decision that should have said it, the next one does.
"""

from typing import ClassVar

from agents.search.two_tier import Pool, pool, renewal
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    Event,
    HumanMessage,
    PoolUpdated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
)
from bus.vocabulary.queries import AskStanding, CampaignStatus
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, CAMPAIGN, derive, experiment_id, rng
from bus.wire.plain_text import clean_line

WHY_CHARACTERS = 300


class Director:
    """Decides which experiments a campaign makes, and from what each starts."""

    name: ClassVar[str] = "director"
    handles: ClassVar[tuple[type[Event], ...]] = (
        CampaignStarted,
        CampaignPaused,
        CampaignResumed,
        CampaignFinished,
        RunCompleted,
        AnalysisReady,
        CodeFailed,
        ProposalRejected,
        HumanMessage,
    )

    def decide(self, envelope: Envelope) -> Decision:
        """Open what this event frees, or say what it ends."""
        if not _matters(envelope):
            return []
        standing: CampaignStatus = yield AskStanding(campaign=envelope.campaign, at=envelope.seq)
        return [] if standing.started is None else _follows(envelope, standing, standing.started)

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return a pause that tells people why: a decision that can't be made would leave its slot closed unseen.

        The pause itself is decided upon: the campaign may be over. Where that fails too, a word of theirs will do.
        """
        if isinstance(envelope.event, CampaignPaused) or not _matters(envelope):
            return []
        why = clean_line(f"no decision upon {envelope.type} of {envelope.experiment}: {reason}", WHY_CHARACTERS)
        return [Post(CAMPAIGN, CampaignPaused(by=self.name, why=why))]


def _follows(envelope: Envelope, standing: CampaignStatus, started: CampaignStarted) -> list[Post]:
    """Return what the campaign's state turns into, and the slots that are opened."""
    if resumed := _resumption(envelope.event, standing):
        return [Post(CAMPAIGN, resumed)]
    renewed = renewal(started, standing) if isinstance(envelope.event, AnalysisReady) else None
    posts = [Post(CAMPAIGN, renewed)] if renewed else []
    if standing.finished:
        return posts
    if standing.stopping or _spent(standing):
        return [*posts, _ending(standing)]
    if isinstance(envelope.event, HumanMessage) and envelope.event.kind == "pause":
        return [Post(CAMPAIGN, CampaignPaused(by=envelope.event.by, why=envelope.event.text))]
    if not standing.paused and _judged(standing, started):
        posts += _openings(envelope, standing, started, renewed)
    return posts


def _matters(envelope: Envelope) -> bool:
    """Say whether an event can change slots, pool or the campaign's state; repairs and early rejections can't."""
    event = envelope.event
    if isinstance(event, RunCompleted):
        return envelope.experiment.startswith(BASELINE_PREFIX)
    if isinstance(event, CodeFailed | ProposalRejected):
        return event.final
    if isinstance(event, HumanMessage):
        return event.kind in {"pause", "resume", "stop", "budget"}
    return True


def _judged(standing: CampaignStatus, started: CampaignStarted) -> bool:
    """Say whether new designs may be asked for: once all baselines are trained, only after they are analysed.

    Else a proposal would be made while the analyst speaks, and what it reads would depend on who was quicker.
    """
    baselines = len(started.baselines)
    return standing.settled < baselines or _ended(standing) >= baselines


def _ended(standing: CampaignStatus) -> int:
    """Return how many experiments are over."""
    return standing.analysed + standing.failed + standing.rejected


def _total(standing: CampaignStatus) -> int:
    """Return how many slots the campaign has."""
    assert standing.started is not None
    return len(standing.started.baselines) + standing.budget


def _spent(standing: CampaignStatus) -> bool:
    """Say whether every slot and every person's experiment is settled."""
    return standing.settled >= _total(standing) and standing.unsettled == 0


def _openings(
    envelope: Envelope, standing: CampaignStatus, started: CampaignStarted, renewed: PoolUpdated | None
) -> list[Post]:
    """Return a request for every slot that this very event allows and that is not open."""
    allowed = min(_total(standing), standing.settled + started.slots)
    first = standing.unbroken if _releases(envelope, standing, started) else standing.settled + started.slots - 1
    source = pool(standing, renewed)
    return [
        _request(envelope.campaign, slot, started, standing.guidance, source)
        for slot in range(max(first, standing.unbroken), allowed)
    ]


def _releases(envelope: Envelope, standing: CampaignStatus, started: CampaignStarted) -> bool:
    """Say whether an event may open slots that earlier settlements were not allowed to open, or not able to.

    It begins or resumes the campaign, changes its length, or is the end by which the baselines became known. A decision
    that was given up has paused the campaign, so the slot that it left closed is opened by the resumption.
    """
    if isinstance(envelope.event, CampaignStarted | CampaignResumed | HumanMessage):
        return True
    baselines = len(started.baselines)
    return standing.settled >= baselines and _ended(standing) == baselines


def _request(campaign: str, slot: int, started: CampaignStarted, guidance: tuple[str, ...], source: Pool) -> Post:
    """Return the request that opens a slot; what it draws hangs on campaign and slot, not on what freed the slot."""
    experiment = experiment_id(slot, started.baselines)
    if slot < len(started.baselines):
        return Post(experiment, ProposalRequested(slot=slot, arm="baseline", baseline=started.baselines[slot]))
    ancestry = source.draw(rng(derive(campaign, experiment), Director.name))
    return Post(
        experiment,
        ProposalRequested(
            slot=slot, arm="guided", parent=ancestry.parent, references=ancestry.references, guidance=guidance
        ),
    )


def _resumption(event: Event, standing: CampaignStatus) -> CampaignResumed | None:
    """Return the resumption that a person's words bring about, or None.

    `resume` is said even where it seems to change nothing: an earlier pause may still be on its way. A raised budget
    resumes what has ended or is about to, be it that its ending was said just after the words.
    """
    word = event if isinstance(event, HumanMessage) else None
    if word and word.kind == "resume":
        return None if _spent(standing) else CampaignResumed(by=word.by, why=word.text)
    raised = word is not None and word.kind == "budget" and (standing.finished or standing.stopping)
    overtaken = isinstance(event, CampaignFinished) and event.reason == "budget_spent"
    if (raised or overtaken) and standing.settled < _total(standing):
        return CampaignResumed(by=word.by if word else Director.name, why=f"budget {standing.budget}")
    return None


def _ending(standing: CampaignStatus) -> Post:
    """Return the ending with what the campaign came to; the stream takes one, however many decisions say it."""
    finished = CampaignFinished(
        reason="budget_spent" if _spent(standing) else "stopped",
        analysed=standing.analysed,
        failed=standing.failed,
        rejected=standing.rejected,
        best=standing.ranking[0] if standing.ranking else None,
    )
    return Post(CAMPAIGN, finished, after=standing.last_ending)
