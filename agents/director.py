"""The director: opens slots, renews the pool, and says when a campaign pauses, resumes and ends.

Every choice is a function of the log up to the event decided upon (`docs/architecture.md`, "Slots"). The t-th
settlement opens slot t + K − 1, and that one alone: those before it are the business of earlier settlements, whose
decisions may still be under way. What was held back meanwhile is opened by the event that lets slots be opened again.
The stream refuses a second opening, whoever says it. An ending is said upon the one event that completes it.
"""

from typing import ClassVar

from agents.asking import Asking
from agents.pool import Pool, pool, renewal
from bus.envelope import Envelope
from bus.events import (
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
from bus.events.campaign import FinishReason
from bus.ids import BASELINE_PREFIX, CAMPAIGN, derive, experiment_id, rng
from bus.plain_text import one_line
from bus.queries import AskStanding, Standing
from bus.role import Decision, Post

WHY_CHARACTERS = 300


class Director:
    """Decides which experiments a campaign makes, and from what each starts."""

    name: ClassVar[str] = "director"
    handles: ClassVar[tuple[type[Event], ...]] = (
        CampaignStarted,
        CampaignResumed,
        CampaignFinished,
        RunCompleted,
        AnalysisReady,
        CodeFailed,
        ProposalRejected,
        HumanMessage,
    )

    def decide(self, said: Envelope) -> Decision:
        """Open what this event frees, or say what it ends."""
        if not _matters(said):
            return []
        standing: Standing = yield AskStanding(campaign=said.campaign, at=said.seq)
        if standing.started is None:
            return []
        if isinstance(said.event, HumanMessage) and said.event.kind != "budget":
            return (yield from _word(said, said.event, standing))
        if isinstance(said.event, HumanMessage | CampaignFinished) and (standing.finished or standing.stopping):
            return _reopening(said.event, standing)
        return (yield from self._proceed(said, standing, standing.started))

    def give_up(self, said: Envelope, reason: str) -> list[Post]:
        """Return a pause that tells people why: a decision that can't be made would leave its slot closed unseen."""
        why = one_line(f"no decision upon {said.type} of {said.experiment}: {reason}", WHY_CHARACTERS)
        return [Post(CAMPAIGN, CampaignPaused(by=self.name, why=why))]

    def _proceed(self, said: Envelope, standing: Standing, started: CampaignStarted) -> Decision:
        """Renew the pool, then end the campaign or open slots."""
        renewed = renewal(started, standing) if isinstance(said.event, AnalysisReady) else None
        posts = [Post(CAMPAIGN, renewed)] if renewed else []
        if standing.stopping:  # the word has brought about an ending, or had come too late for one
            return posts
        if (yield from _ends(said, standing)):
            return [*posts, Post(CAMPAIGN, _finished("budget_spent", standing))]
        if not standing.finished and not standing.paused and _judged(standing, started):
            posts += _openings(said, standing, started, renewed)
        return posts


def _matters(said: Envelope) -> bool:
    """Say whether an event can change slots, pool or the campaign's state; repairs and early rejections can't."""
    event = said.event
    if isinstance(event, RunCompleted):
        return said.experiment.startswith(BASELINE_PREFIX)
    if isinstance(event, CodeFailed | ProposalRejected):
        return event.final
    if isinstance(event, HumanMessage):
        return event.kind in {"pause", "resume", "stop", "budget"}
    return True


def _judged(standing: Standing, started: CampaignStarted) -> bool:
    """Say whether new designs may be asked for: once all baselines are trained, only after they are analysed.

    Else a proposal would be made while the analyst speaks, and what it reads would depend on who was quicker.
    """
    baselines = len(started.baselines)
    return standing.settled < baselines or _ended(standing) >= baselines


def _ended(standing: Standing) -> int:
    """Return how many experiments are over."""
    return standing.analysed + standing.failed + standing.rejected


def _total(standing: Standing) -> int:
    """Return how many slots the campaign has."""
    assert standing.started is not None
    return len(standing.started.baselines) + standing.budget


def _spent(standing: Standing) -> bool:
    """Say whether every slot and every person's experiment is settled."""
    return standing.settled >= _total(standing) and standing.unsettled == 0


def _ends(said: Envelope, standing: Standing) -> Asking[bool]:
    """Say whether this very event completed the campaign; one that was complete before has its ending already.

    A resumption that finds nothing left to do has taken the ending back, and says it again.
    """
    if standing.finished or not _spent(standing):
        return False
    if isinstance(said.event, CampaignStarted):
        return True
    before: Standing = yield AskStanding(campaign=said.campaign, at=said.seq - 1)
    return before.finished if isinstance(said.event, CampaignResumed) else not _spent(before)


def _openings(said: Envelope, standing: Standing, started: CampaignStarted, renewed: PoolUpdated | None) -> list[Post]:
    """Return a request for every slot that this very event allows and that is not open."""
    allowed = min(_total(standing), standing.settled + started.slots)
    first = standing.unbroken if _releases(said, standing, started) else standing.settled + started.slots - 1
    source = pool(standing, renewed)
    return [
        _request(said.campaign, slot, started, standing.guidance, source)
        for slot in range(max(first, standing.unbroken), allowed)
    ]


def _releases(said: Envelope, standing: Standing, started: CampaignStarted) -> bool:
    """Say whether an event may open slots that earlier settlements were not allowed to open, or not able to.

    It begins or resumes the campaign, changes its length, or is the end by which the baselines became known. A decision
    that was given up has paused the campaign, so the slot that it left closed is opened by the resumption.
    """
    if isinstance(said.event, CampaignStarted | CampaignResumed | HumanMessage):
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


def _word(said: Envelope, message: HumanMessage, standing: Standing) -> Asking[list[Post]]:
    """Return what a person's pause, resume or stop brings about.

    Pause and resume are said even where they seem to change nothing: an earlier word may still be on its way. Of stops
    the first one ends the campaign, so that there is one ending however often it is said.
    """
    nothing_left = _spent(standing)
    if message.kind == "resume" and not nothing_left:
        return [Post(CAMPAIGN, CampaignResumed(by=message.by, why=message.text))]
    if message.kind == "pause" and not standing.finished:
        return [Post(CAMPAIGN, CampaignPaused(by=message.by, why=message.text))]
    if message.kind == "stop" and not standing.finished and not nothing_left:
        before: Standing = yield AskStanding(campaign=said.campaign, at=said.seq - 1)
        return [] if before.stopping else [Post(CAMPAIGN, _finished("stopped", standing))]
    return []


def _reopening(event: HumanMessage | CampaignFinished, standing: Standing) -> list[Post]:
    """Return the resumption of an ended campaign whose budget was raised, be it just before its ending was said."""
    if standing.settled >= _total(standing):
        return []
    if isinstance(event, HumanMessage):
        return [Post(CAMPAIGN, CampaignResumed(by=event.by, why=f"budget {standing.budget}"))]
    if event.reason == "budget_spent":
        return [Post(CAMPAIGN, CampaignResumed(by=Director.name, why=f"budget {standing.budget}"))]
    return []


def _finished(reason: FinishReason, standing: Standing) -> CampaignFinished:
    """Return the ending with what the campaign came to."""
    return CampaignFinished(
        reason=reason,
        analysed=standing.analysed,
        failed=standing.failed,
        rejected=standing.rejected,
        best=standing.ranking[0] if standing.ranking else None,
    )
