"""The engineer: gets every proposal to run, and repairs what fails, with the whole error at hand, until it is given up.

A static fault is repaired within the decision that found it; what fails in the trainer comes back as RunFailed. Every
attempt leaves its CodeFailed and its CodeRevised in the log: the history of a failure is worth as much as a score. What
the analyst has quarantined is run a second time as it is, and never repaired: each further draw would flatter it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from types import MappingProxyType
from typing import ClassVar, cast

from pydantic import JsonValue

from agents.admission.static_check import check
from agents.analysis.quarantine import FIRST_REPLICATION_SHARD, replication_seed
from agents.design import Design
from agents.llm import prompts
from agents.llm.schemas import Revision, parse_completion
from agents.repair import repair
from agents.repair.attempt import Attempt, AttemptFault
from bus.delivery.role import Decision, Post, Subdecision
from bus.vocabulary.events import (
    VETOED,
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    Event,
    Limits,
    Peer,
    ProposalCreated,
    RunAnomaly,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import AskTrial, Experiment, ExperimentSetup
from bus.vocabulary.questions import CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, derive, parse_run_id, rng, run_id
from bus.wire.plain_text import clean_line, clean_text

MESSAGE_CHARACTERS = 400
SOURCE_CHARACTERS = 100_000
UNREPAIRABLE_REASONS = frozenset({"bad_request", "trainer_fault"})
"""Reasons that are no fault of the architecture's: another source would end the same way, so none is made up."""
TRANSIENT_REASONS = ("timeout", "limit", "no_result", "crash")
"""How reasons begin that a busy machine can cause: the same source may pass the next time."""
TERMINAL_STATUSES = frozenset({"failed", "rejected", "analysed"})
"""Statuses of an experiment that is over."""
DEFAULT_LIMITS = Limits(seconds=300.0, memory_mb=2048)
"""What a run may use at a scale without limits of its own."""


@dataclass(frozen=True, slots=True)
class EngineerSettings:
    """What an engineer is told when it starts."""

    limits: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    """What a run may use, by name of the scale."""
    model: bool = False
    """Whether a model repairs before the rules do."""


class Engineer:
    """Decides what is run, and what replaces what failed."""

    name: ClassVar[str] = "engineer"
    handles: ClassVar[tuple[type[Event], ...]] = (ProposalCreated, RunFailed, RunAnomaly)

    def __init__(self, settings: EngineerSettings | None = None) -> None:
        """Work with these limits and, where it says so, with a model that answers Completion questions."""
        self._settings = settings or EngineerSettings()

    def decide(self, envelope: Envelope) -> Decision:
        """Check the newest attempt, repair it as often as allowed, and request a run or give the experiment up."""
        if isinstance(envelope.event, RunAnomaly):
            return (yield from self._replicate(envelope, envelope.event))
        brought = isinstance(envelope.event, ProposalCreated)
        trial: ExperimentSetup = yield AskTrial(
            campaign=envelope.campaign, at=envelope.seq, experiment=envelope.experiment, source=not brought
        )
        started = trial.started
        if started is None or _is_stale(envelope, trial.this):
            return []
        attempt, failed = _on_trial(envelope, trial.this)
        if failed and trial.this.status == "quarantined":
            return [
                Post(envelope.experiment, self._after_failed_replication(envelope, attempt, failed, started, trial))
            ]
        posts: list[Post] = []
        while failed := failed or _static(attempt.source):
            revised = None
            if attempt.number < started.attempts and failed.reason not in UNREPAIRABLE_REASONS:
                revised = yield from self._revision(envelope, attempt, failed, trial.this)
            posts.append(Post(envelope.experiment, _failure(attempt, failed, final=revised is None)))
            if revised is None:
                return posts
            posts.append(Post(envelope.experiment, revised))
            attempt, failed = Attempt(revised.attempt, revised.source, revised.design), None
        return [
            *posts,
            Post(envelope.experiment, self._request(envelope.experiment, attempt, started, trial.baselines)),
        ]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return what settles an experiment that this engineer can't decide upon."""
        if isinstance(envelope.event, RunAnomaly) and envelope.event.action != "quarantined":
            return []  # its RunFailed follows
        about = parse_run_id(envelope.event.run) if isinstance(envelope.event, RunAnomaly | RunFailed) else None
        attempt = about.attempt if about else 0
        message = clean_line(f"no repair: {reason}", MESSAGE_CHARACTERS)
        failed = CodeFailed(attempt=attempt, stage="static", reason="engineer", message=message, final=True)
        return [Post(envelope.experiment, failed)]

    def _revision(
        self, envelope: Envelope, attempt: Attempt, failed: AttemptFault, this: Experiment
    ) -> Subdecision[CodeRevised | None]:
        """Return the next attempt: a model's where it answers, else the rules'; None where neither helps.

        A human design is what results are judged against, so it is never altered, at most run again as it is. So is
        what a veto stopped that was taken back before the stop was heard of.
        """
        if failed.reason == VETOED:
            return None if this.vetoed else _again(attempt, "the veto was taken back")
        if envelope.experiment.startswith(BASELINE_PREFIX):
            passing = failed.reason.startswith(TRANSIENT_REASONS)
            return _again(attempt, f"a human design runs again as it is after {failed.reason}") if passing else None
        if self._settings.model:
            reply: CompletionReply = yield prompts.repair(attempt.source, this.motivation, failed)
            revision = parse_completion(reply, Revision)
            if isinstance(revision, Revision) and revision.source.strip() != attempt.source.strip():
                change = clean_line(revision.change, MESSAGE_CHARACTERS)
                source = clean_text(revision.source, SOURCE_CHARACTERS) + "\n"
                return CodeRevised(attempt=attempt.number + 1, source=source, change=change, repaired_by="model")
        return _by_rules(envelope, attempt, failed)

    def _replicate(self, envelope: Envelope, seen: RunAnomaly) -> Subdecision[list[Post]]:
        """Return the request for the second run of what has just been quarantined; other anomalies have a RunFailed."""
        if seen.action != "quarantined":
            return []
        before: ExperimentSetup = yield AskTrial(
            campaign=envelope.campaign, at=envelope.seq - 1, experiment=envelope.experiment, source=True
        )
        this, started = before.this, before.started
        if started is None or this.status in {"quarantined", *TERMINAL_STATUSES}:
            return []
        attempt = Attempt(this.attempt, this.source)
        return [
            Post(
                envelope.experiment,
                self._request(envelope.experiment, attempt, started, before.baselines, FIRST_REPLICATION_SHARD),
            )
        ]

    def _after_failed_replication(
        self,
        envelope: Envelope,
        attempt: Attempt,
        failed: AttemptFault,
        started: CampaignStarted,
        trial: ExperimentSetup,
    ) -> CodeFailed | RunRequested:
        """Return what follows where a second run failed: the end, or one more where a veto stopped it that is gone."""
        assert isinstance(envelope.event, RunFailed)
        if failed.reason == VETOED and not trial.this.vetoed:
            shard = parse_run_id(envelope.event.run).shard + 1
            return self._request(envelope.experiment, attempt, started, trial.baselines, shard)
        message = f"quarantined, and its second run {envelope.event.run} failed: {failed.message}"
        return _failure(attempt, replace(failed, message=message), final=True)

    def _request(
        self,
        experiment: str,
        attempt: Attempt,
        started: CampaignStarted,
        baselines: Sequence[Experiment],
        shard: int = 0,
    ) -> RunRequested:
        """Return the request for a run. All runs on a shard have one seed, so that comparisons are paired."""
        return RunRequested(
            run=run_id(experiment, attempt.number, shard),
            attempt=attempt.number,
            source=attempt.source,
            scale=started.scale,
            seed=replication_seed(started.seed, shard) if shard else started.seed,
            shard=shard,
            limits=self._settings.limits.get(started.scale, DEFAULT_LIMITS),
            data=started.data,
            sandbox=started.sandbox,
            peer=None if experiment.startswith(BASELINE_PREFIX) else _peer(baselines),
        )


def _is_stale(envelope: Envelope, this: Experiment) -> bool:
    """Say whether the event is about an attempt that has been followed by another, or an experiment that has ended."""
    if this.status in TERMINAL_STATUSES:
        return True
    if not isinstance(envelope.event, RunFailed):
        return False
    if this.status == "quarantined":
        return not parse_run_id(envelope.event.run).shard
    return envelope.event.attempt != this.attempt or this.val_loss is not None


def _on_trial(envelope: Envelope, this: Experiment) -> tuple[Attempt, AttemptFault | None]:
    """Return the attempt that an event is about, and how it failed where it did."""
    event = envelope.event
    if isinstance(event, ProposalCreated):
        return Attempt(0, event.source, event.design), None
    assert isinstance(event, RunFailed)
    return Attempt(this.attempt, this.source, this.design), AttemptFault(
        event.stage, event.reason, event.message, event.tail
    )


def _static(source: str) -> AttemptFault | None:
    """Return what is wrong with a source before it runs."""
    fault = check(source)
    if fault is None:
        return None
    where = f"line {fault.line}: " if fault.line else ""
    return AttemptFault("static", fault.reason, where + fault.message)


def _again(attempt: Attempt, why: str) -> CodeRevised:
    """Return the same source as the next attempt."""
    return CodeRevised(
        attempt=attempt.number + 1,
        source=attempt.source,
        change=f"nothing: {why}",
        repaired_by="rules",
        design=attempt.design,
    )


def _by_rules(envelope: Envelope, attempt: Attempt, failed: AttemptFault) -> CodeRevised | None:
    """Return the next attempt by rules for common faults, or by the grammar; None where neither helps."""
    random = rng(derive(envelope.campaign, run_id(envelope.experiment, attempt.number)), Engineer.name)
    found = repair(attempt.source, failed.reason, failed.message, failed.tail, _design(attempt), random)
    if found is None:
        return None
    return CodeRevised(
        attempt=attempt.number + 1,
        source=found.source,
        change=clean_line(found.change, MESSAGE_CHARACTERS),
        repaired_by=found.repaired_by,
        design=cast("dict[str, JsonValue]", found.design.to_json()) if found.design else None,
    )


def _design(attempt: Attempt) -> Design | None:
    """Return the attempt's design; None where it has none that today's grammar reads."""
    try:
        return Design.from_json(attempt.design) if attempt.design else None
    except ValueError:
        return None


def _failure(attempt: Attempt, failed: AttemptFault, *, final: bool) -> CodeFailed:
    """Return a failure as the log keeps it."""
    return CodeFailed(
        attempt=attempt.number,
        stage=failed.stage,
        reason=failed.reason,
        message=clean_line(failed.message, MESSAGE_CHARACTERS),
        tail=failed.tail,
        final=final,
    )


def _peer(baselines: Sequence[Experiment]) -> Peer | None:
    """Return what the completed baselines needed and reached; None while there is none."""
    paces = [b.step_seconds for b in baselines if b.step_seconds]
    losses = [b.train_loss for b in baselines if b.train_loss is not None]
    return Peer(step_seconds=median(paces), text_loss=min(losses, default=None)) if paces else None
