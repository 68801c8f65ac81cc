"""One line for an event, for people who read a log."""

from bus.vocabulary import events
from bus.wire.envelope import Envelope


def event_line(envelope: Envelope) -> str | None:
    """Return one line for an event that a reader of a log file wants to see, else None."""
    text = _words(envelope)
    return f"{envelope.time:%H:%M:%S} {envelope.experiment:<22} {text}" if text else None


def event_sentence(envelope: Envelope) -> str:
    """Return one line for any event."""
    return event_line(envelope) or f"{envelope.time:%H:%M:%S} {envelope.experiment:<22} {envelope.type}"


def _words(envelope: Envelope) -> str | None:  # noqa: C901, PLR0911, PLR0912  (one case an event)
    """Return what an event says in words."""
    match envelope.event:
        case events.CampaignStarted(scale=scale, experiments=count, baselines=baselines):
            return (
                f"campaign {envelope.campaign}: {len(baselines)} baselines, then {count} experiments at scale {scale}"
            )
        case events.ProposalCreated(name=name, origin=origin):
            return f"proposed by {origin}: {name}"
        case events.ProposalRejected(message=message, final=True):
            return f"rejected: {message}"
        case events.RunStarted(parameters=parameters):
            return f"training, {parameters:,} parameters"
        case events.RunAnomaly(kind=kind, evidence=evidence, action=action):
            return f"{action}, {kind}: {evidence}"
        case events.CodeFailed(stage=stage, reason=reason, message=message, final=final):
            return f"{'given up' if final else 'failed'} at {stage}, {reason}: {message}"
        case events.CodeRevised(attempt=attempt, change=change):
            return f"repair {attempt}: {change}"
        case events.AnalysisReady(fitness=fitness, parts=parts):
            return (
                f"fitness {fitness:.3f} (loss {parts.loss:.2f}, recall {parts.benchmark:.2f}, judge {parts.judge:.2f})"
            )
        case events.HumanMessage(by=by, kind=kind, text=words, target=target):
            return _with(f"{by} says ({kind}{f' {target}' if target else ''})", words)
        case events.HumanAnswered(to=to, answer=answer):
            return f"to {to}: {' '.join(answer.split())}"
        case events.CampaignPaused(by=by, why=why) | events.CampaignResumed(by=by, why=why):
            return _with(f"{'paused' if isinstance(envelope.event, events.CampaignPaused) else 'resumed'} by {by}", why)
        case events.CampaignFinished(reason=reason, analysed=analysed, failed=failed):
            return f"campaign finished ({reason}): {analysed} analysed, {failed} failed"
        case _:
            return None


def _with(said: str, words: str) -> str:
    """Return what was said with its words, where there are any."""
    return f"{said}: {words}" if words else said
