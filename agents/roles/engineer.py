"""The engineer: gets every proposal to run, and repairs what fails, with the whole error, until it gives up.

A static fault is repaired within the decision that found it; a failure in the trainer comes back as RunFailed. Every
attempt leaves its CodeFailed and its CodeRevised in the log: the history of a failure is worth as much as a score. A
quarantined experiment runs a second time unchanged and is never repaired, since each further draw would flatter it.
"""

from dataclasses import replace

from agents.admission.copies import COPIED, copied
from agents.admission.run_request import run_request
from agents.admission.static_check import check
from agents.analysis.quarantine import FIRST_REPLICATION_SHARD, LAST_REPLICATION_SHARD
from agents.llm.prompts.first import is_first
from agents.repair.attempt import Attempt, AttemptFault, is_of_the_machine, is_transient
from agents.repair.revising import new_revision, revision_by_rules
from agents.search.draws import search_draws
from agents.thinking.repairing import ENGINEER, EngineerSettings, revision_by_model, settings_of
from agents.verification.requests import lost_runs, repeated_run, requested_runs
from bus.delivery.role import Decision, Post, Subdecision
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import (
    VETOED,
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    ModelAnswered,
    PromotionDecided,
    ProposalCreated,
    RunAnomaly,
    RunFailed,
    RunRequested,
    VerificationFailed,
    VerificationRequested,
)
from bus.vocabulary.queries import AskSetup, Experiment, ExperimentSetup
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_run_id, run_id
from bus.wire.plain_text import clean_line

MESSAGE_CHARACTERS = 400
UNREPAIRABLE_REASONS = frozenset({"bad_request", "trainer_fault", COPIED})
"""Reasons that are no fault of the architecture, so it gets no other source."""
TERMINAL_STATUSES = frozenset({"failed", "rejected", "analysed"})
"""Statuses of an experiment that is over."""


class Engineer:
    """Decides what runs, and what replaces a failed attempt."""

    def decide(self, envelope: Envelope) -> Decision:
        """Check the newest attempt, repair it as often as allowed, and request a run or give the experiment up."""
        if isinstance(envelope.event, RunAnomaly):
            return (yield from _replicate(envelope, envelope.event))
        if isinstance(envelope.event, PromotionDecided):
            return (yield from requested_runs(envelope, envelope.event))
        if isinstance(envelope.event, VerificationFailed):
            return (yield from repeated_run(envelope, envelope.event))
        setup: ExperimentSetup = yield AskSetup(
            campaign=envelope.campaign,
            at=envelope.seq,
            experiment=envelope.experiment,
            source=not isinstance(envelope.event, ProposalCreated),  # a proposal brings its own
        )
        if setup.started is None or _is_stale(envelope, setup.this):
            return []
        attempt, fault = _attempt_of(envelope, setup.this)
        if fault and setup.this.status == "quarantined":
            return [_after_failed_replication(envelope, attempt, fault, setup, setup.started)]
        fault = fault or copied(envelope.event, setup)
        return (yield from _bring_to_run(envelope, attempt, fault, setup, setup.started))

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the end of an experiment that this engineer can't decide on."""
        event = envelope.event
        if isinstance(event, RunAnomaly) and event.action != "quarantined":
            return []  # its RunFailed follows
        if isinstance(event, PromotionDecided | VerificationFailed):
            return lost_runs(envelope.experiment, event, clean_line(f"no request: {reason}", MESSAGE_CHARACTERS))
        attempt = parse_run_id(event.run).attempt if isinstance(event, RunAnomaly | RunFailed) else 0
        message = clean_line(f"no repair: {reason}", MESSAGE_CHARACTERS)
        failure = CodeFailed(attempt=attempt, stage="static", reason="engineer", message=message, final=True)
        return [Post(envelope.experiment, failure)]


def _bring_to_run(
    envelope: Envelope, attempt: Attempt, fault: AttemptFault | None, setup: ExperimentSetup, started: CampaignStarted
) -> Subdecision[list[Post]]:
    """Return failures and revisions of attempts and, last, the request for a run or the final failure."""
    posts: list[Post] = []
    while fault := fault or _static_fault(attempt.source):
        revision: CodeRevised | str = ""
        if attempt.number < started.attempts and fault.reason not in UNREPAIRABLE_REASONS:
            revision = yield from _revision(envelope, attempt, fault, setup.this, started)
        if isinstance(revision, str):
            message = f"{fault.message}; {revision}" if revision else fault.message
            return [*posts, Post(envelope.experiment, _failure(attempt, replace(fault, message=message), final=True))]
        posts.append(Post(envelope.experiment, _failure(attempt, fault, final=False)))
        posts.append(Post(envelope.experiment, revision))
        attempt, fault = Attempt(revision.attempt, revision.source, revision.design), None
    request = run_request(envelope.experiment, attempt, started, setup.baselines)
    return [*posts, Post(envelope.experiment, request)]


def _revision(
    envelope: Envelope, attempt: Attempt, fault: AttemptFault, this: Experiment, started: CampaignStarted
) -> Subdecision[CodeRevised | str]:
    """Return the next attempt: by a rule for what is mechanical, else the model's, else by rules or the grammar.

    If none of them helps, return why, or nothing if there is nothing to say.

    A human design is what results are judged against, so it is never altered, at most run again. The same goes for a
    run that a veto stopped which was withdrawn before the engineer heard of the stop. Any source runs again once if the
    machine may have killed its run.
    """
    if fault.reason == VETOED:
        return "" if this.vetoed else _unchanged(attempt, "the veto was taken back")
    if envelope.experiment.startswith(BASELINE_PREFIX):
        again = is_transient(fault.reason)
        return _unchanged(attempt, f"a human design runs again as it is after {fault.reason}") if again else ""
    if is_of_the_machine(fault.reason) and not any(is_of_the_machine(failure.reason) for failure in this.failures):
        return _unchanged(attempt, f"the machine may be the cause of {fault.reason}, so the source runs again as it is")
    random = search_draws(envelope.campaign, run_id(envelope.experiment, attempt.number), SPEC.name, started)
    by_rules = revision_by_rules(attempt, fault, random)
    if SPEC.name in started.models and (is_first(started) or not _is_mechanical(fault, by_rules)):
        by_model = yield from revision_by_model(envelope, attempt, fault, this, started, SPEC.name)
        if by_model:
            return by_model
    if by_rules and settings_of(started).compare_repairs:
        return (yield from new_revision(envelope, by_rules, random))
    return by_rules or ""


def _is_mechanical(fault: AttemptFault, by_rules: CodeRevised | None) -> bool:
    """Return whether a rule mends a fault that the static check found, such as a fence or an import."""
    mended = by_rules is not None and by_rules.repaired_by == "rules" and _static_fault(by_rules.source) is None
    return fault.stage == "static" and mended


def _replicate(envelope: Envelope, anomaly: RunAnomaly) -> Subdecision[list[Post]]:
    """Return the request for the replication of an experiment just quarantined; other anomalies have a RunFailed."""
    if anomaly.action != "quarantined":
        return []
    before: ExperimentSetup = yield AskSetup(
        campaign=envelope.campaign, at=envelope.seq - 1, experiment=envelope.experiment, source=True
    )
    this, started = before.this, before.started
    if started is None or this.status in {"quarantined", *TERMINAL_STATUSES}:
        return []
    attempt = Attempt(this.attempt, this.source)
    request = run_request(envelope.experiment, attempt, started, before.baselines, FIRST_REPLICATION_SHARD)
    return [Post(envelope.experiment, request)]


def _after_failed_replication(
    envelope: Envelope, attempt: Attempt, fault: AttemptFault, setup: ExperimentSetup, started: CampaignStarted
) -> Post:
    """Return the end of the experiment, or one more replication if a withdrawn veto had stopped this one."""
    assert isinstance(envelope.event, RunFailed)
    shard = parse_run_id(envelope.event.run).shard + 1
    if fault.reason == VETOED and not setup.this.vetoed and shard <= LAST_REPLICATION_SHARD:
        return Post(envelope.experiment, run_request(envelope.experiment, attempt, started, setup.baselines, shard))
    message = f"quarantined, and its second run {envelope.event.run} failed: {fault.message}"
    return Post(envelope.experiment, _failure(attempt, replace(fault, message=message), final=True))


def _is_stale(envelope: Envelope, this: Experiment) -> bool:
    """Tell whether another attempt has followed the event's, or the experiment has ended."""
    if this.status in TERMINAL_STATUSES:
        return True
    if not isinstance(envelope.event, RunFailed):
        return False
    if this.status == "quarantined":
        return not parse_run_id(envelope.event.run).shard
    return envelope.event.attempt != this.attempt or this.val_loss is not None


def _attempt_of(envelope: Envelope, this: Experiment) -> tuple[Attempt, AttemptFault | None]:
    """Return the attempt that an event is about, and its fault if it failed."""
    event = envelope.event
    if isinstance(event, ProposalCreated):
        return Attempt(0, event.source, event.design), None
    assert isinstance(event, RunFailed)
    fault = AttemptFault(event.stage, event.reason, event.message, event.tail)
    return Attempt(this.attempt, this.source, this.design), fault


def _static_fault(source: str) -> AttemptFault | None:
    """Return what is wrong with a source before it runs."""
    fault = check(source)
    if fault is None:
        return None
    place = f"line {fault.line}: " if fault.line else ""
    return AttemptFault("static", fault.reason, place + fault.message)


def _unchanged(attempt: Attempt, why: str) -> CodeRevised:
    """Return the same source as the next attempt."""
    return CodeRevised(
        attempt=attempt.number + 1,
        source=attempt.source,
        change=f"nothing: {why}",
        repaired_by="rules",
        design=attempt.design,
    )


def _failure(attempt: Attempt, fault: AttemptFault, *, final: bool) -> CodeFailed:
    """Return an attempt's failure as an event."""
    return CodeFailed(
        attempt=attempt.number,
        stage=fault.stage,
        reason=fault.reason,
        message=clean_line(fault.message, MESSAGE_CHARACTERS),
        tail=fault.tail,
        final=final,
    )


SPEC = RoleSpec(
    name=ENGINEER,
    summary="checks and repairs sources, and requests runs",
    subscribes=(ProposalCreated, RunFailed, RunAnomaly, PromotionDecided, VerificationFailed),
    publishes=(CodeFailed, CodeRevised, RunRequested, ModelAnswered, VerificationRequested, VerificationFailed),
    ends_with=(RunRequested, CodeFailed),
    asks=True,
    uses_model=True,
    tries_sources=True,
    settings=EngineerSettings,
    build=Engineer,
    concurrency=32,
)
