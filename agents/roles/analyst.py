"""The analyst: gives every trained experiment a fitness, an explanation, and the weakness to address next.

Results are judged against the baselines, so everything trained before the last baseline is settled waits for it, and is
then analysed at once, in the order of completion. A result too good to count goes into quarantine until a replication
confirms it (`agents.analysis.quarantine`). Code does all arithmetic; a model, if the campaign names one for this role,
adds words and marks.
"""

from typing import Literal

from agents.analysis.answers import answer_question, answer_restore, answer_withdraw
from agents.analysis.findings import findings
from agents.analysis.first_problems import fixed_problem
from agents.analysis.fitness import Reference, fitness, judge, marked_judge, parts, reference
from agents.analysis.objective import score
from agents.analysis.problems import problem
from agents.analysis.quarantine import find_suspicion, is_replicated, replication_failure, replication_finding
from agents.analysis.unit_findings import unit_findings
from agents.llm.asking import Asked, ask
from agents.llm.prompts import first
from agents.llm.schemas import Judgement
from agents.verification.verdicts import judged_looks, missing_verdicts, verdict
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSettings, RoleSpec
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    FitnessParts,
    HumanAnswered,
    HumanMessage,
    Metrics,
    ModelAnswered,
    ProposalRejected,
    RunAnomaly,
    RunCompleted,
    VerificationCompleted,
    VerificationFailed,
)
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskPeers,
    AskUnitEffects,
    AskVerification,
    Cognition,
    Experiments,
    Peers,
    UnitEffects,
    Verification,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, CAMPAIGN, derive, parse_run_id, rng
from bus.wire.plain_text import clean_line

FINDING_CHARACTERS = 400
PROBLEM_CHARACTERS = 800
MAX_FINDINGS = 5
"""Findings of a model that are kept."""


VERIFICATION_EVENTS = (VerificationCompleted, VerificationFailed, EvidenceReady, CampaignResumed)
"""Events that can make a verdict due."""


class AnalystSettings(RoleSettings):
    """`[roles.analyst]`: how problems are worded."""

    problems: Literal["findings", "fixed"] = "findings"
    """With `findings`, a problem is put together from measurements and units; with `fixed`, as in logs without this
    setting, it is one of ten texts."""
    unit_effects: bool = True
    """Whether findings and problems name units that the campaign has shown to help or to hurt; not in logs without this
    setting."""


class Analyst:
    """Decides what results mean."""

    def decide(self, envelope: Envelope) -> Decision:
        """Analyse what this event makes ready, or answer a person."""
        event = envelope.event
        if isinstance(event, HumanMessage):
            return (yield from _reply(envelope, event))
        if isinstance(event, VERIFICATION_EVENTS):
            return (yield from _verify(envelope))
        is_baseline = envelope.experiment.startswith(BASELINE_PREFIX)
        if isinstance(event, CodeFailed | ProposalRejected) and not (event.final and is_baseline):
            return []
        peers: Peers = yield _peers_query(envelope, envelope.experiment)
        if peers.baselines_pending:
            return []
        if isinstance(event, RunCompleted) and parse_run_id(event.run).shard:
            return (yield from _judge_replication(envelope, event, peers))
        # The settlement of a baseline may have been what others waited for; any other result stands for itself.
        ready = peers.awaiting if is_baseline else [name for name in peers.awaiting if name == envelope.experiment]
        posts: list[Post] = []
        for experiment in ready:
            posts += yield from _judge(envelope, experiment, peers)
        return posts

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the end of an experiment that can't be analysed, or a pause if it is a claim that can't be judged."""
        if isinstance(envelope.event, VERIFICATION_EVENTS):
            why = clean_line(f"no verdict on {envelope.experiment}: {reason}", FINDING_CHARACTERS)
            paused = isinstance(envelope.event, CampaignResumed)
            return [] if paused else [Post(CAMPAIGN, CampaignPaused(by=SPEC.name, why=why))]
        if not isinstance(envelope.event, RunCompleted):
            return []
        attempt = parse_run_id(envelope.event.run).attempt
        message = clean_line(f"no analysis: {reason}", FINDING_CHARACTERS)
        failure = CodeFailed(attempt=attempt, stage="evaluate", reason="analysis", message=message, final=True)
        return [Post(envelope.experiment, failure)]


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


def _peers_query(envelope: Envelope, experiment: str) -> AskPeers:
    return AskPeers(campaign=envelope.campaign, at=envelope.seq, experiment=experiment, reader=SPEC.name)


def _judge(envelope: Envelope, experiment: str, known: Peers) -> Subdecision[list[Post]]:
    """Return an experiment's analysis, or its quarantine; `known` are the peers of the event's own experiment."""
    peers = known
    if experiment != known.this.id:
        peers = yield _peers_query(envelope, experiment)
    suspicion = find_suspicion(peers.this, peers.baselines)
    return [Post(experiment, suspicion)] if suspicion else (yield from _analysis(envelope, peers))


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
    return (yield from _analysis(envelope, peers, (replication_finding(first, second),), (metrics, event.metrics)))


def _analysis(
    envelope: Envelope, peers: Peers, first_findings: tuple[str, ...] = (), runs: tuple[Metrics, ...] = ()
) -> Subdecision[list[Post]]:
    """Return one experiment's analysis; `first_findings` come before its own, `runs` are its runs if it has several."""
    against = reference(peers.baselines)
    scored = parts(peers.this, against, judge(peers.this, against))
    effects = yield from _effects(envelope, peers)
    lines = (*first_findings, *findings(peers, against), *unit_findings(effects, peers.this.design))
    weakness = _problem(envelope, peers, scored, against, effects)
    asked = yield from _ask_model(envelope, peers, lines, weakness)
    if asked and (opinion := asked.answer):
        scored = parts(peers.this, against, marked_judge(opinion.performance, opinion.innovation, opinion.complexity))
        lines += tuple(clean_line(line, FINDING_CHARACTERS) for line in opinion.findings[:MAX_FINDINGS])
        weakness = clean_line(opinion.problem, PROBLEM_CHARACTERS) or weakness
    cognition: Cognition = yield AskCognition(campaign=envelope.campaign, at=envelope.seq, text=weakness)
    objective = peers.started.objective if peers.started else None
    value, value_parts = score(objective, peers.this, peers.baselines, runs) if objective else (None, None)
    ready = AnalysisReady(
        fitness=fitness(scored),
        parts=scored,
        findings=lines,
        problem=weakness,
        cognition=tuple(entry.key for entry in cognition.rows),
        objective=value,
        objective_parts=value_parts,
    )
    return [Post(peers.this.id, ready)]


def settings_of(started: CampaignStarted | None) -> AnalystSettings:
    """Return the settings in force in a campaign; what an older log does not set is as it was then."""
    recorded = started.roles.get(SPEC.name, {}) if started else {}
    return AnalystSettings.model_validate({"problems": "fixed", "unit_effects": False, **recorded})


def _effects(envelope: Envelope, peers: Peers) -> Subdecision[UnitEffects]:
    """Return what the campaign knows of units, if the analyst is to name it."""
    if not settings_of(peers.started).unit_effects:
        return UnitEffects()
    return (yield AskUnitEffects(campaign=envelope.campaign, at=envelope.seq))


def _problem(
    envelope: Envelope, peers: Peers, scored: FitnessParts, against: Reference | None, effects: UnitEffects
) -> str:
    """Return the problem in words, as the campaign's settings want it."""
    if settings_of(peers.started).problems == "fixed":
        return fixed_problem(peers.this, scored, against)
    event = envelope.event  # the curve of a result that waited for a baseline is not in the event
    curve = event.metrics.curve if isinstance(event, RunCompleted) and envelope.experiment == peers.this.id else ()
    return problem(peers, curve, rng(derive(envelope.campaign, peers.this.id), SPEC.name), effects)


def _ask_model(
    envelope: Envelope, peers: Peers, lines: tuple[str, ...], weakness: str
) -> Subdecision[Asked[Judgement] | None]:
    """Return the model's judgement; None if the campaign has no model for this role."""
    if peers.started is None or SPEC.name not in peers.started.models:
        return None
    question = first.judgement(peers, lines, weakness)
    return (yield from ask(envelope, question, Judgement, agent=SPEC.name, experiment=peers.this.id))


SPEC = RoleSpec(
    name="analyst",
    summary="scores and explains results, and answers people",
    subscribes=(RunCompleted, CodeFailed, ProposalRejected, HumanMessage, *VERIFICATION_EVENTS),
    publishes=(
        AnalysisReady,
        RunAnomaly,
        CodeFailed,
        HumanAnswered,
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
