"""One line for an event, for people who read a log."""

from collections.abc import Callable, Mapping
from typing import Any

from bus.vocabulary import events
from bus.wire.envelope import Envelope
from bus.wire.ids import is_tuning_run


def notable_line(envelope: Envelope) -> str | None:
    """Return one line for an event that a person who follows a campaign wants to see, None for any other event."""
    text = _text(envelope)
    return f"{_prefix(envelope)} {text}" if text else None


def event_line(envelope: Envelope) -> str:
    """Return one line for any event: its type if it is not notable."""
    return notable_line(envelope) or f"{_prefix(envelope)} {envelope.type}"


def event_text(envelope: Envelope) -> str:
    """Return what an event says, without its time and experiment: its type if it is not notable."""
    return _text(envelope) or envelope.type


def _text(envelope: Envelope) -> str | None:
    describe = _DESCRIBERS.get(type(envelope.event))
    return describe(envelope.event) if describe else None


def _prefix(envelope: Envelope) -> str:
    return f"{envelope.time:%H:%M:%S} {envelope.experiment:<22}"


def _campaign_started(event: events.CampaignStarted) -> str:
    plan = f"{len(event.baselines)} baselines, then {event.experiments} experiments"
    return f"campaign started: scale {event.scale}, seed {event.seed}, {plan}"


def _campaign_forked(event: events.CampaignForked) -> str:
    changes = ", ".join(f"{name} {value}" for name, value in event.changes.items())
    return f"campaign forked after {event.at}: {changes}"


def _proposal_created(event: events.ProposalCreated) -> str:
    return f"proposed: {event.name} (origin {event.origin})"


def _experiment_imported(event: events.ExperimentImported) -> str:
    return f"imported: {event.name} ({event.history} {event.foreign_id})"


def _researcher_proposed(event: events.ResearcherProposed) -> str:
    parents = f" from {', '.join(event.parents)}" if event.parents else ""
    return f"program {event.name} proposed ({event.operator}{parents})"


def _researcher_evaluated(event: events.ResearcherEvaluated) -> str:
    result = f"failed: {event.failed}" if event.fitness is None else f"fitness {event.fitness:+.3f}"
    return f"on {event.split.replace('_', '-')} landscapes: {result}"


def _researcher_promoted(event: events.ResearcherPromoted) -> str:
    low, high = event.interval
    return f"promoted over {event.over}: gain {event.gain:+.3f} [{low:+.3f}, {high:+.3f}] on held-out landscapes"


def _proposal_rejected(event: events.ProposalRejected) -> str | None:
    return f"rejected: {event.message}" if event.final else None


def _run_started(event: events.RunStarted) -> str:
    return f"training: {event.parameters:,} parameters"


def _run_anomaly(event: events.RunAnomaly) -> str:
    return f"{event.action} ({event.kind}): {event.evidence}"


def _code_failed(event: events.CodeFailed) -> str:
    return f"{'given up' if event.final else 'failed'} at {event.stage} ({event.reason}): {event.message}"


def _code_revised(event: events.CodeRevised) -> str:
    return f"repair {event.attempt}: {event.change}"


def _analysis_ready(event: events.AnalysisReady) -> str:
    parts = f"loss {event.parts.loss:.2f}, benchmark {event.parts.benchmark:.2f}, judge {event.parts.judge:.2f}"
    objective = "" if event.objective is None else f"objective {event.objective:+.2f}, "
    return f"{objective}fitness {event.fitness:.3f} ({parts})"


def _model_answered(event: events.ModelAnswered) -> str | None:
    """Return why a model gave no answer, None if it gave one."""
    who = f"{event.account.model or 'a model'} for the {event.agent}"
    return f"no answer of {who} ({event.account.outcome}): {event.why}" if event.why else None


def _human_message(event: events.HumanMessage) -> str:
    subject = f"{event.kind} {event.target}" if event.target else event.kind
    return _with_text(f"message from {event.speaker} ({subject})", event.text)


def _human_answered(event: events.HumanAnswered) -> str:
    return f"answer to {event.to}: {' '.join(event.answer.split())}"


def _campaign_paused(event: events.CampaignPaused) -> str:
    return _with_text(f"paused by {event.by}", event.why)


def _campaign_resumed(event: events.CampaignResumed) -> str:
    return _with_text(f"resumed by {event.by}", event.why)


def _program_failed(event: events.ProgramFailed) -> str:
    if event.call == "write":
        return f"no program was written ({event.reason}): {event.message}; {event.fallback} operators make one"
    instead = f"; {event.fallback} suggests" if event.fallback else ""
    return f"the researcher program failed in {event.call} ({event.reason}): {event.message}{instead}"


def _campaign_finished(event: events.CampaignFinished) -> str:
    counts = f"{event.analysed} analysed, {event.failed} failed, {event.rejected} rejected"
    return f"campaign finished ({event.reason}): {counts}"


def _campaign_archived(event: events.CampaignArchived) -> str:
    return f"campaign archived: {event.events} events in {event.file}"


def _promotion_decided(event: events.PromotionDecided) -> str:
    if event.candidate is None:
        return f"place {event.place + 1} of the ladder stays empty: {event.why}"
    rivals = ", ".join(event.baselines)
    return f"{event.candidate} climbs against {rivals}, {len(event.runs)} runs: {event.why}"


def _verification_completed(event: events.VerificationCompleted) -> str:
    return f"run {event.run} {_text_of(event.run)}: {event.metrics.val_loss:.4f} nats per byte"


def _verification_failed(event: events.VerificationFailed) -> str:
    return f"run {event.run} {_text_of(event.run)} failed at {event.stage} ({event.reason}): {event.message}"


def _text_of(run: str) -> str:
    """Return what scores a run of a climb."""
    return "that tries a learning rate" if is_tuning_run(run) else "on sealed text"


def _rates_chosen(event: events.RatesChosen) -> str:
    rates = ", ".join(f"{name} {rate:g}" for name, rate in event.chosen.items())
    return f"learning rates chosen, in multiples of the scale's: {rates}"


def _unit_coined(event: events.UnitCoined) -> str:
    interval = f"{event.gain:+.2f} [{event.low:+.2f}, {event.high:+.2f}]"
    return f"coined {event.name}: {interval} seed noises in {len(event.grafts)} designs"


def _evidence_ready(event: events.EvidenceReady) -> str:
    return f"{event.outcome}: {event.why}"


def _discovery_confirmed(event: events.DiscoveryConfirmed) -> str:
    return f"DISCOVERY: {event.why}"


def _discovery_refuted(event: events.DiscoveryRefuted) -> str:
    return f"no discovery ({event.reason}): {event.why}"


def _with_text(title: str, text: str) -> str:
    return f"{title}: {text}" if text else title


_DESCRIBERS: Mapping[type[events.Event], Callable[[Any], str | None]] = {
    events.CampaignStarted: _campaign_started,
    events.ProposalCreated: _proposal_created,
    events.ExperimentImported: _experiment_imported,
    events.ResearcherProposed: _researcher_proposed,
    events.ResearcherEvaluated: _researcher_evaluated,
    events.ResearcherPromoted: _researcher_promoted,
    events.ProposalRejected: _proposal_rejected,
    events.RunStarted: _run_started,
    events.RunAnomaly: _run_anomaly,
    events.CodeFailed: _code_failed,
    events.CodeRevised: _code_revised,
    events.AnalysisReady: _analysis_ready,
    events.ModelAnswered: _model_answered,
    events.HumanMessage: _human_message,
    events.HumanAnswered: _human_answered,
    events.CampaignForked: _campaign_forked,
    events.CampaignPaused: _campaign_paused,
    events.CampaignResumed: _campaign_resumed,
    events.ProgramFailed: _program_failed,
    events.CampaignFinished: _campaign_finished,
    events.CampaignArchived: _campaign_archived,
    events.PromotionDecided: _promotion_decided,
    events.VerificationCompleted: _verification_completed,
    events.VerificationFailed: _verification_failed,
    events.UnitCoined: _unit_coined,
    events.RatesChosen: _rates_chosen,
    events.EvidenceReady: _evidence_ready,
    events.DiscoveryConfirmed: _discovery_confirmed,
    events.DiscoveryRefuted: _discovery_refuted,
}
"""For each notable class of event, the function that describes one; None from it leaves that event out."""
