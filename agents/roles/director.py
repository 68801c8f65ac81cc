"""The director: opens slots, renews the pool, and decides when a campaign pauses, resumes and ends.

Every choice is a function of the log up to the event decided on (`docs/explanation/campaigns.md`, "Slots"). The t-th
settlement opens slot t + K − 1, and that one alone: earlier slots belong to earlier settlements, whose decisions may
still be under way. Slots that were held back are opened by the event that allows slots again. The stream refuses a
second opening. Any event that finds the campaign over and not ended publishes the ending, and the stream takes one;
so the ending does not depend on a single decision.
"""

from agents.search.arms import arm_of, is_guided, unguided_policy
from agents.search.draws import search_draws
from agents.search.guidance import DIRECTOR, DirectorSettings, wish_in_force
from agents.search.policy import SearchPolicy, State
from agents.search.programs.campaign import ask_for_slot, campaign_policy, tell_of_analysis
from agents.verification.promotions import is_over, last_promotion, next_promotion
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Event,
    EvidenceReady,
    HumanMessage,
    PoolUpdated,
    ProgramFailed,
    PromotionDecided,
    ProposalRejected,
    ProposalRequested,
    RatesChosen,
    RunCompleted,
    VerificationFailed,
)
from bus.vocabulary.queries import AskCampaignStatus, AskVerification, CampaignStatus, Verification
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, CAMPAIGN, experiment_id
from bus.wire.plain_text import clean_line

WHY_CHARACTERS = 300


class Director:
    """Decides which experiments a campaign makes, and what each starts from."""

    def decide(self, envelope: Envelope) -> Decision:
        """Open the slots that this event frees, or end the campaign."""
        if not _matters(envelope):
            return []
        status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
        return [] if status.started is None else (yield from _consequences(envelope, status, status.started))

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return a pause that tells people why: a decision that can't be made would leave its slot closed unseen.

        The pause itself is decided on, since the campaign may be over. If that fails too, a person's message helps.
        """
        if isinstance(envelope.event, CampaignPaused) or not _matters(envelope):
            return []
        why = clean_line(f"no decision on {envelope.type} of {envelope.experiment}: {reason}", WHY_CHARACTERS)
        return [Post(CAMPAIGN, CampaignPaused(by=SPEC.name, why=why))]


def _consequences(envelope: Envelope, status: CampaignStatus, started: CampaignStarted) -> Subdecision[list[Post]]:
    """Return what the campaign's state turns into, and the slots that open."""
    if resumption := _resumption(envelope.event, status, started):
        return [Post(CAMPAIGN, resumption)]
    policy = campaign_policy(started)
    news = (yield from _renewal(policy, status, started)) if isinstance(envelope.event, AnalysisReady) else None
    posts = [Post(CAMPAIGN, news, key="program" if isinstance(news, ProgramFailed) else "")] if news else []
    if status.finished:
        return posts
    verification = yield from _verification(envelope, started)
    search_over = _is_spent(status)
    spent = search_over and (verification is None or is_over(verification))
    if spent or status.stopping:
        return [*posts, _ending(status, spent=spent)]
    if isinstance(envelope.event, HumanMessage) and envelope.event.kind == "pause":
        return [Post(CAMPAIGN, CampaignPaused(by=envelope.event.by, why=envelope.event.text))]
    if not status.paused and _may_request_designs(status, started):
        state = news.state if isinstance(news, PoolUpdated) else status.pool
        posts += yield from _openings(envelope, status, started, policy, state)
    if verification and not status.paused:
        posts += _promotions(verification, search_over=search_over)
    return posts


def _verification(envelope: Envelope, started: CampaignStarted) -> Subdecision[Verification | None]:
    """Return the state of verification; None if the campaign verifies nothing."""
    if started.verification is None:
        return None
    state: Verification = yield AskVerification(campaign=envelope.campaign, at=envelope.seq)
    return state


def _promotions(state: Verification, *, search_over: bool) -> list[Post]:
    """Return the next link of the chain of promotions, if one is due.

    Any event that finds one due publishes it, and the stream takes one. That link is an event too, and leads to the
    link after it. So no promotion depends on a single decision.
    """
    promotion = next_promotion(state, search_over=search_over)
    return [Post(CAMPAIGN, promotion, after=last_promotion(state))] if promotion else []


def _renewal(
    policy: SearchPolicy, status: CampaignStatus, started: CampaignStarted
) -> Subdecision[PoolUpdated | ProgramFailed | None]:
    """Return the policy's new state, if the newest analysis changes it, or how the campaign's program failed."""
    told = yield from tell_of_analysis(policy, status)
    if told is None or isinstance(told, ProgramFailed):
        return told
    return PoolUpdated(generation=told.generation, policy=started.policy, state=dict(told.state))


def _matters(envelope: Envelope) -> bool:
    """Tell whether an event can change slots, pool, climbs or the campaign's state; a repair, for one, can't."""
    event = envelope.event
    if isinstance(event, RunCompleted):
        return envelope.experiment.startswith(BASELINE_PREFIX)
    if isinstance(event, CodeFailed | ProposalRejected):
        return event.final
    if isinstance(event, HumanMessage):
        return event.kind in {"pause", "resume", "stop", "budget"}
    return True


def _may_request_designs(status: CampaignStatus, started: CampaignStarted) -> bool:
    """Tell whether new designs may be requested: once all baselines are trained, only after they are analysed.

    Otherwise a proposal would be made while analyses are on their way, and what it reads would depend on timing.
    """
    baselines = len(started.baselines)
    return status.settled < baselines or _ended_count(status) >= baselines


def _ended_count(status: CampaignStatus) -> int:
    return status.analysed + status.failed + status.rejected


def _slot_count(status: CampaignStatus) -> int:
    assert status.started is not None
    return len(status.started.baselines) + status.budget


def _is_spent(status: CampaignStatus) -> bool:
    """Tell whether every slot and every person's experiment is settled."""
    return status.settled >= _slot_count(status) and status.unsettled == 0


def _openings(
    envelope: Envelope, status: CampaignStatus, started: CampaignStarted, policy: SearchPolicy, state: State
) -> Subdecision[list[Post]]:
    """Return a request for every slot that this very event allows and that is not open."""
    allowed = min(_slot_count(status), status.settled + started.slots)
    first = status.watermark if _releases(envelope, status, started) else status.settled + started.slots - 1
    posts: list[Post] = []
    for slot in range(max(first, status.watermark), allowed):
        posts += yield from _opening(envelope.campaign, slot, status, started, policy, state)
    return posts


def _releases(envelope: Envelope, status: CampaignStatus, started: CampaignStarted) -> bool:
    """Tell whether an event may open slots that earlier settlements were not allowed, or not able, to open.

    It starts or resumes the campaign, changes its length, or is the end by which the baselines became known. A decision
    that was given up has paused the campaign, so the resumption opens the slot that it left closed.
    """
    if isinstance(envelope.event, CampaignStarted | CampaignResumed | HumanMessage):
        return True
    baselines = len(started.baselines)
    return status.settled >= baselines and _ended_count(status) == baselines


def _opening(
    campaign: str, slot: int, status: CampaignStatus, started: CampaignStarted, policy: SearchPolicy, state: State
) -> Subdecision[list[Post]]:
    """Return the request that opens a slot, after the failure of the campaign's program if it made no suggestion.

    Its draws depend on campaign and slot, not on the event that freed it.
    """
    experiment = experiment_id(slot, started.baselines)
    if slot < len(started.baselines):
        baseline = started.baselines[slot]
        return [Post(experiment, ProposalRequested(slot=slot, arm="baseline", space=started.space, baseline=baseline))]
    index = slot - len(started.baselines)
    if index < len(started.prior):
        design = started.prior[index].design
        return [Post(experiment, ProposalRequested(slot=slot, arm="prior", space=started.space, design=design))]
    arm = arm_of(index - len(started.prior), started.arms)
    guided = is_guided(arm)
    draws = search_draws(campaign, experiment, SPEC.name, started)
    asked = yield from ask_for_slot(policy if guided else unguided_policy(arm), status, state, draws, slot)
    suggestion = asked.suggestion
    request = ProposalRequested(
        slot=slot,
        arm=arm,
        space=started.space,
        parent=suggestion.parent,
        references=suggestion.references,
        preferences=dict(suggestion.preferences),
        guidance=status.guidance if guided else (),
        wish=wish_in_force(status) if guided else None,
        children=suggestion.children,
        ranking=suggestion.ranking,
        unranked=suggestion.unranked,
        restart_below=suggestion.restart_below,
        policy=suggestion.policy,
        graft=suggestion.graft,
    )
    failure = [Post(experiment, asked.failed, key=f"program {slot}")] if asked.failed else []
    return [*failure, Post(experiment, request)]


def _resumption(event: Event, status: CampaignStatus, started: CampaignStarted) -> CampaignResumed | None:
    """Return the resumption that a person's message brings about, or None.

    `resume` is published even if it seems to change nothing: an earlier pause may still be on its way. A raised budget
    resumes a campaign that has ended or is about to, even if its ending was published just after the message.
    """
    message = event if isinstance(event, HumanMessage) else None
    if message and message.kind == "resume":
        over = _is_spent(status) and (status.finished or started.verification is None)
        return None if over else CampaignResumed(by=message.by, why=message.text)
    raised = message is not None and message.kind == "budget" and (status.finished or status.stopping)
    overtaken = isinstance(event, CampaignFinished) and event.reason == "budget_spent"
    if (raised or overtaken) and status.settled < _slot_count(status):
        return CampaignResumed(by=message.by if message else SPEC.name, why=f"budget {status.budget}")
    return None


def _ending(status: CampaignStatus, *, spent: bool) -> Post:
    """Return the ending with the campaign's results; the stream takes one, however many decisions publish it."""
    finished = CampaignFinished(
        reason="budget_spent" if spent else "stopped",
        analysed=status.analysed,
        failed=status.failed,
        rejected=status.rejected,
        best=status.ranking[0] if status.ranking else None,
    )
    return Post(CAMPAIGN, finished, after=status.last_ending)


SPEC = RoleSpec(
    name=DIRECTOR,
    summary="opens slots, renews the pool, pauses and ends the campaign",
    subscribes=(
        CampaignStarted,
        CampaignPaused,
        CampaignResumed,
        CampaignFinished,
        RunCompleted,
        AnalysisReady,
        CodeFailed,
        ProposalRejected,
        HumanMessage,
        PromotionDecided,
        RatesChosen,
        EvidenceReady,
        VerificationFailed,
        DiscoveryConfirmed,
        DiscoveryRefuted,
    ),
    publishes=(
        PoolUpdated,
        ProgramFailed,
        ProposalRequested,
        PromotionDecided,
        CampaignPaused,
        CampaignResumed,
        CampaignFinished,
    ),
    asks=True,
    holds_programs=True,
    settings=DirectorSettings,
    build=Director,
    concurrency=32,
    in_order=(HumanMessage,),
)
