"""The page of one campaign: its plan, the evidence for every claim seed by seed, and the events behind the figures."""

from collections.abc import Iterator, Sequence
from typing import Any

from bus.vocabulary.events import BaselineFigures, EvidenceReady, RunCompleted, VerificationPlan
from bus.wire.envelope import Envelope
from lab.client.event_text import event_text
from lab.operations.campaign_report.logs import CampaignLog
from lab.operations.campaign_report.writing import NONE, design, event_anchor, event_link, interval, number, page
from lab.operations.evidence import ClaimStory, seed_rows
from lab.operations.markdown_text import plain, table


def evidence_page(log: CampaignLog) -> str:
    """Return the page."""
    claims = [_claim(log, claim) for claim in (*log.claims, *log.placebos)]
    return page(plain(log.name), _opening(log), _plan(log.started.verification), *_controls(log), *claims, _events(log))


def _controls(log: CampaignLog) -> Iterator[str]:
    """Yield the table of the examination's controls, if a run has them."""
    for one in log.events:
        if isinstance(one.event, RunCompleted) and one.event.controls:
            rows = [
                (each.kind, each.task, number(each.loss), number(each.chance), number(each.accuracy, ".3f"))
                for each in one.event.controls
            ]
            text = "What has learned nothing scores no better than chance, nats per target"
            head = ("control", "task", "loss", "chance", "accuracy")
            yield f"## Controls of the examination\n\n{text} (event {event_link(log, one.seq)}):\n\n{table(head, rows)}"


def _opening(log: CampaignLog) -> str:
    started = log.started
    code = f", code {plain(started.code_version)}" if started.code_version else ""
    return (
        f"Campaign `{log.campaign}` in [{log.file}]({log.file}): seed {started.seed}, policy {plain(started.policy)}, "
        f"{started.experiments} experiments at {plain(started.scale)}, {len(log.events)} events{code}. "
        f"The goal was: {plain(started.goal)}."
    )


def _plan(plan: VerificationPlan | None) -> str:
    if plan is None:
        return "The campaign verified nothing, so its scores are screening scores."
    rungs = ", then ".join(
        f"{name} ({rung.climbers} at most, looks after {', '.join(map(str, rung.looks))} seeds)"
        for name, rung in zip(plan.rung_names, plan.rungs, strict=True)
    )
    multiples = ", ".join(f"{rate:g}" for rate in plan.rates)
    rates = f", each at its best of {multiples} times the learning rate" if plan.rates else ""
    return (
        f"Its plan, fixed before the first experiment: {rungs}, on sealed text against {plan.rivals}{rates}, "
        f"margin {plan.margin:g} nats per byte, α {plan.alpha:g} over {plan.candidates} candidates."
    )


def _claim(log: CampaignLog, claim: ClaimStory) -> str:
    """Return the section of a candidate."""
    parts = [f"## {claim.candidate}", f"{design(log, claim.candidate)}: {claim.standing}."]
    if claim.is_placebo:
        parts.append(f"{plain(claim.promotions[0][1].why)}. The seeds below are those of the baselines.")
    if claim.reason:
        at = f" (event {event_link(log, claim.verdict[0])})" if claim.verdict else ""
        parts.append(f"{plain(claim.reason)}{at}.")
    for rung, name in enumerate(claim.plan.rung_names):
        if rows := list(seed_rows(claim, rung)):
            parts += [f"### {claim.candidate} at {name}", *_tuned(log, claim, rung), _looks(log, claim, rung)]
            parts.append(_seeds(log, rows))
    return "\n\n".join(parts)


def _tuned(log: CampaignLog, claim: ClaimStory, rung: int) -> Iterator[str]:
    """Yield the table of the learning rates of a rung, if the plan tunes them."""
    for at, tuned in claim.tuned:
        if tuned.rung == rung:
            head = ("", *(f"{rate:g}" for rate in tuned.rates), "chosen")
            rows = [
                (f"`{name}`", *map(number, losses), f"{tuned.chosen[name]:g}") for name, losses in tuned.losses.items()
            ]
            text = "Validation loss at each multiple of the scale's learning rates, on one seed"
            yield f"{text} (event {event_link(log, at)}):\n\n{table(head, rows)}"


def _looks(log: CampaignLog, claim: ClaimStory, rung: int) -> str:
    head = ("look", "seeds", "baseline", "gain", "sd", "95 % over seeds", "over seeds and text (1 − 2 · level)",
            "lower bound", "e-value", "needed", "the last look would show")  # fmt: skip
    rows = [
        (f"{look.outcome} ({event_link(log, at)})", len(look.figures.seeds), *_comparison(look, one))
        for at, look in claim.looks
        if look.rung == rung
        for one in look.figures.comparisons
    ]
    return table(head, rows) if rows else "No look has been judged."


def _comparison(look: EvidenceReady, one: BaselineFigures) -> tuple[str, ...]:
    return (
        f"`{one.baseline}`", number(one.mean, "+.4f"), number(one.sd), interval(one.seed_interval),
        interval(one.document_interval), number(one.low, "+.4f"), number(one.e_value, ".3g"),
        number(1 / look.level, ".3g"), number(one.smallest_gain, "+.4f"),
    )  # fmt: skip


def _seeds(log: CampaignLog, rows: Sequence[dict[str, Any]]) -> str:
    names = [name for name in rows[0] if name not in {"number", "seed"}]
    cells = [(row["number"], row["seed"], *(_end(log, row[name]) for name in names)) for row in rows]
    return f"Text loss by seed:\n\n{table(('', 'seed', *(f'`{name}`' for name in names)), cells)}"


def _end(log: CampaignLog, end: dict[str, Any] | None) -> str:
    """Return how a run ended, with its event."""
    if end is None:
        return NONE
    return f"{number(end['loss']) if 'loss' in end else plain(end['failed'])} ({event_link(log, end['at'])})"


def _events(log: CampaignLog) -> str:
    """Return the list of the events that pages of the report link to."""
    rows = [
        (event_anchor(one), one.time.isoformat(timespec="seconds"), f"`{one.experiment}`", plain(event_text(one)),
         f"`{one.id}`")
        for one in _cited(log)
    ]  # fmt: skip
    return f"## Events\n\n{table(('position', 'time', 'experiment', 'event', 'id'), rows)}"


def _cited(log: CampaignLog) -> Iterator[Envelope]:
    """Yield every event that a figure may be from: scores, promotions, looks and verdicts."""
    kinds = {
        "RunCompleted", "PromotionDecided", "VerificationCompleted", "VerificationFailed", "RatesChosen",
        "EvidenceReady", "DiscoveryConfirmed", "DiscoveryRefuted",
    }  # fmt: skip
    return (one for one in log.events if one.type in kinds)
