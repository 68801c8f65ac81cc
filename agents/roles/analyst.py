"""The analyst: gives every trained experiment a fitness, an explanation, and the weakness to address next.

Results are judged against the baselines, so everything trained before the last baseline is settled waits for it, and is
then analysed at once, in the order of completion. A result too good to count goes into quarantine until a replication
confirms it (`agents.analysis.quarantine`). Claims of verification are judged when all runs of a look have ended
(`agents.verification.verdicts`).
"""

from agents.analysis.analysing import ANALYST, FINDING_CHARACTERS, AnalystSettings, analysis, settings_of
from agents.analysis.answers import answer_question, answer_restore, answer_withdraw
from agents.analysis.coining import coined
from agents.analysis.quarantine import find_suspicion, is_replicated, replication_failure, replication_finding
from agents.people.replies import ANSWERED_BY_ANALYST, no_answer
from agents.thinking.summarising import insights
from agents.verification.verdicts import judged_looks, missing_verdicts, verdict
from bus.delivery.role import Decision, Post, Subdecision, together
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignPaused,
    CampaignResumed,
    CodeFailed,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    HumanAnswered,
    HumanMessage,
    InsightsReady,
    ModelAnswered,
    ProposalRejected,
    RatesChosen,
    RunAnomaly,
    RunCompleted,
    UnitCoined,
    VerificationCompleted,
    VerificationFailed,
)
from bus.vocabulary.queries import (
    AskCampaignStatus,
    AskExperiments,
    AskFormulas,
    AskPeers,
    AskVerification,
    CampaignStatus,
    Experiments,
    FormulaRecords,
    Peers,
    Verification,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, CAMPAIGN, parse_run_id
from bus.wire.plain_text import clean_line

VERIFICATION_EVENTS = (VerificationCompleted, VerificationFailed, EvidenceReady, CampaignResumed)
"""Events that can make a verdict due."""


class Analyst:
    """Decides what results mean."""

    def decide(self, envelope: Envelope) -> Decision:
        """Analyse what this event makes ready, judge a claim, sum up, or answer a person."""
        event = envelope.event
        if isinstance(event, HumanMessage):
            return (yield from _reply(envelope, event))
        if isinstance(event, VERIFICATION_EVENTS):
            return (yield from _verify(envelope))
        if isinstance(event, AnalysisReady):
            return (yield from _sum_up(envelope, event))
        return (yield from _analyse_ready(envelope))

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the end of an experiment that can't be analysed, or a pause if it is a claim that can't be judged.

        A person who waits for an answer gets the reason why none comes.
        """
        if isinstance(envelope.event, VERIFICATION_EVENTS):
            why = clean_line(f"no verdict on {envelope.experiment}: {reason}", FINDING_CHARACTERS)
            paused = isinstance(envelope.event, CampaignResumed)
            return [] if paused else [Post(CAMPAIGN, CampaignPaused(by=SPEC.name, why=why))]
        if isinstance(envelope.event, HumanMessage) and envelope.event.kind in ANSWERED_BY_ANALYST:
            return [Post(envelope.experiment, no_answer(envelope.event, clean_line(reason, FINDING_CHARACTERS)))]
        if not isinstance(envelope.event, RunCompleted):
            return []
        attempt = parse_run_id(envelope.event.run).attempt
        message = clean_line(f"no analysis: {reason}", FINDING_CHARACTERS)
        failure = CodeFailed(attempt=attempt, stage="evaluate", reason="analysis", message=message, final=True)
        return [Post(envelope.experiment, failure)]


def _analyse_ready(envelope: Envelope) -> Subdecision[list[Post]]:
    """Analyse the results that the end of a run, or of a baseline, makes ready."""
    event, is_baseline = envelope.event, envelope.experiment.startswith(BASELINE_PREFIX)
    if isinstance(event, CodeFailed | ProposalRejected) and not (event.final and is_baseline):
        return []
    peers: Peers = yield _peers_query(envelope, envelope.experiment)
    if peers.baselines_pending:
        return []
    if isinstance(event, RunCompleted) and parse_run_id(event.run).shard:
        return (yield from _judge_replication(envelope, event, peers))
    # The settlement of a baseline may have been what others waited for; any other result stands for itself.
    ready = peers.awaiting if is_baseline else [name for name in peers.awaiting if name == envelope.experiment]
    return [*(yield from together(_judge(envelope, experiment, peers) for experiment in ready))]


def _reply(envelope: Envelope, message: HumanMessage) -> Subdecision[list[Post]]:
    """Answer a question, or say what withdrawing a veto or guidance brings about; the desk replies to the others."""
    if message.kind == "ask":
        return (yield from answer_question(envelope, message, SPEC.name))
    if message.kind == "withdraw":
        return (yield from answer_withdraw(envelope, message))
    return (yield from answer_restore(envelope, message)) if message.kind == "restore" else []


def _verify(envelope: Envelope) -> Subdecision[list[Post]]:
    """Judge the looks that this event completes, or give the verdict that it leads to.

    A resumption makes up for decisions that were given up.
    """
    event = envelope.event
    state: Verification = yield AskVerification(campaign=envelope.campaign, at=envelope.seq, figures=True)
    plan = state.started.verification if state.started else None
    if plan is None:
        return []
    if isinstance(event, EvidenceReady):
        return verdict(state, plan, envelope.experiment, event)
    posts = judged_looks(state, plan)
    return [*posts, *missing_verdicts(state, plan)] if isinstance(event, CampaignResumed) else posts


def _sum_up(envelope: Envelope, ready: AnalysisReady) -> Subdecision[list[Post]]:
    """Return the formulas that have proved themselves by now, and the rolling insights if they are due.

    Logs whose analyses name no judge have neither.
    """
    if not ready.judged_by:
        return []
    status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
    posts: list[Post] = []
    if status.started and status.started.arms.get("graft"):
        records: FormulaRecords = yield AskFormulas(campaign=envelope.campaign, at=envelope.seq)
        posts += [Post(experiment, event) for experiment, event in coined(records, status.started.coining_margin)]
    every = settings_of(status.started).insights_every
    if every and status.analysed % every == 0:
        posts.append(Post(CAMPAIGN, (yield from insights(envelope, status, every, SPEC.name))))
    return posts


def _peers_query(envelope: Envelope, experiment: str) -> AskPeers:
    return AskPeers(campaign=envelope.campaign, at=envelope.seq, experiment=experiment, reader=SPEC.name)


def _judge(envelope: Envelope, experiment: str, known: Peers) -> Subdecision[Post]:
    """Return an experiment's analysis, or its quarantine; `known` are the peers of the event's own experiment."""
    peers = known
    if experiment != known.this.id:
        peers = yield _peers_query(envelope, experiment)
    suspicion = find_suspicion(peers.this, peers.baselines)
    return Post(experiment, suspicion or (yield from analysis(envelope, peers)))


def _judge_replication(envelope: Envelope, event: RunCompleted, peers: Peers) -> Subdecision[list[Post]]:
    """Return the analysis of a quarantined experiment if its replication confirms it, otherwise its end."""
    if peers.this.status != "quarantined":
        return []
    before: Experiments = yield AskExperiments(
        campaign=envelope.campaign, at=envelope.seq - 1, ids=(envelope.experiment,)
    )
    metrics = before.rows[0].metrics
    assert metrics is not None, f"{envelope.experiment} is quarantined without a score"
    first, second = metrics.val_loss, event.metrics.val_loss
    if not is_replicated(first, second):
        return [Post(envelope.experiment, replication_failure(peers.this, first, second))]
    ready = yield from analysis(envelope, peers, (replication_finding(first, second),), (metrics, event.metrics))
    return [Post(peers.this.id, ready)]


SPEC = RoleSpec(
    name=ANALYST,
    summary="scores and explains results, and answers people",
    subscribes=(RunCompleted, CodeFailed, ProposalRejected, AnalysisReady, HumanMessage, *VERIFICATION_EVENTS),
    publishes=(
        AnalysisReady,
        InsightsReady,
        UnitCoined,
        RunAnomaly,
        CodeFailed,
        HumanAnswered,
        RatesChosen,
        EvidenceReady,
        DiscoveryConfirmed,
        DiscoveryRefuted,
        CampaignPaused,
        ModelAnswered,
    ),
    ends_with=(AnalysisReady, RunAnomaly, CodeFailed, HumanAnswered),
    asks=True,
    uses_model=True,
    settings=AnalystSettings,
    build=Analyst,
    concurrency=32,
)
