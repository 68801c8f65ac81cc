"""The page of a confirmed design: formula, source, lineage, figures next to baselines, cost, how to repeat it."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from bus.vocabulary.events import ProposalCreated, VerificationCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_verification_run_id
from lab.operations.ablation_runs import worths
from lab.operations.campaign_report.lineage import LineageStep, lineage
from lab.operations.campaign_report.logs import CampaignLog
from lab.operations.campaign_report.writing import (
    NONE,
    design,
    event_link,
    hours,
    interval,
    number,
    page,
    verbatim,
)
from lab.operations.evidence import ClaimStory, repeat_commands
from lab.operations.markdown_text import plain, table
from lab.operations.model_sizes import model_state

NO_ABLATION = "No ablation of this design was trained, so what each of its units contributes is not known."


def discovery_page(log: CampaignLog, claim: ClaimStory, campaigns: str, logs: Sequence[CampaignLog]) -> str:
    """Return the page; `campaigns` leads to the pages of the campaigns, whose logs are `logs`."""
    source = log.scored[claim.candidate].source
    return page(
        plain(log.design_name(claim.candidate)) or claim.candidate,
        _opening(log, claim, campaigns),
        f"## Formula\n\n{verbatim(ast.get_docstring(ast.parse(source)) or 'The source states none.')}",
        f"## Evidence\n\n{_evidence(log, claim, campaigns)}",
        f"## Figures next to the baselines\n\n{_figures(log, claim, campaigns)}",
        f"## Lineage\n\n{_lineage(log, claim, campaigns, logs)}",
        f"## Ablation\n\n{_ablation(log, claim.candidate, logs)}",
        f"## Cost\n\n{_cost(log, claim)}",
        f"## How to repeat it\n\n{_repeat(log, claim)}",
        f"## Source\n\n{verbatim(source, 'python')}",
    )


def _opening(log: CampaignLog, claim: ClaimStory, campaigns: str) -> str:
    verdict, proposal = claim.verdict, log.proposals[claim.candidate]
    assert verdict is not None, "it was confirmed"
    assert isinstance(proposal.event, ProposalCreated)
    return (
        f"Experiment `{claim.candidate}` of [{plain(log.name)}]({campaigns}{log.name}.md#{claim.candidate}), confirmed "
        f"by event {event_link(log, verdict[0], campaigns)}: {plain(verdict[1].why)}.\n\n"
        f"Its motivation, as it was proposed: {plain(proposal.event.motivation)}"
    )


def _evidence(log: CampaignLog, claim: ClaimStory, campaigns: str) -> str:
    """Return the gain over each baseline that climbed, at each rung."""
    assert claim.verdict is not None
    at, verdict = claim.verdict
    rows = [
        (rung.rung, len(rung.seeds), f"`{one.baseline}`", number(one.mean, "+.4f"), number(one.sd),
         interval(one.seed_interval), number(one.low, "+.4f"), number(one.e_value, ".3g"),
         number(1 / verdict.level, ".3g"))
        for rung in verdict.rungs
        for one in rung.comparisons
    ]  # fmt: skip
    head = ("rung", "seeds", "baseline", "gain", "sd", "95 % over seeds", "lower bound", "e-value", "needed")
    text = f"Nats per byte of sealed text, on seeds that no screening run had (event {event_link(log, at, campaigns)})."
    rates = [f"- {rung.rung}: {claim.rates_in_words(number)}" for number, rung in enumerate(verdict.rungs)]
    tuned = "\n".join(("Learning rates, in multiples of the scale's:\n", *rates))
    if not claim.plan.rates:
        tuned = (
            "No learning rate was tuned: each design has the scale's. If another rate is the baseline's best, a gain "
            "may be of the rate and not of the design ([why](../explanation/verification.md))."
        )
    return f"{text}\n\n{table(head, rows)}\n\n{tuned}"


def _figures(log: CampaignLog, claim: ClaimStory, campaigns: str) -> str:
    """Return the losses of the design and of every baseline, screening and sealed."""
    sealed = _sealed_means(log)
    names = [claim.candidate, *sorted(name for name in log.scored if name.startswith(BASELINE_PREFIX))]
    rows = [
        (design(log, name), _screening(log, name, campaigns), *(sealed.get((name, k), NONE) for k in _rungs(claim)),
         log.scored[name].end.metrics.size.get("parameters", NONE), _state(log, name), _flops(log, name),
         number(log.scored[name].end.metrics.recall, ".3f"))
        for name in names
    ]  # fmt: skip
    head = ("design", f"{log.started.scale}, screening", *(f"{name}, sealed" for name in claim.plan.rung_names),
            "parameters", "state", "FLOPs per token", "recall")  # fmt: skip
    text = "Text loss in nats per byte; on sealed text the mean over seeds (their number). A dash: it did not climb."
    return "\n\n".join((" ".join(filter(None, (text, _relative_flops(log, claim)))), table(head, rows)))


def _relative_flops(log: CampaignLog, claim: ClaimStory) -> str:
    """Return how the design's FLOPs compare with those of the baselines that climbed, which nothing matches."""
    assert claim.verdict is not None
    climbed = dict.fromkeys(one.baseline for rung in claim.verdict[1].rungs for one in rung.comparisons)
    costs = {name: log.scored[name].end.metrics.cost.get("flops_per_token") for name in (claim.candidate, *climbed)}
    own = costs[claim.candidate]
    ratios = [f"{own / cost:.2f} times those of `{name}`" for name in climbed if own and (cost := costs[name])]
    return f"Parameters are matched, FLOPs are not: per token it takes {' and '.join(ratios)}." if ratios else ""


def _rungs(claim: ClaimStory) -> range:
    return range(len(claim.plan.rungs))


def _screening(log: CampaignLog, name: str, campaigns: str) -> str:
    run = log.scored[name]
    return f"{number(run.loss)} ({event_link(log, run.at.seq, campaigns)})"


def _state(log: CampaignLog, name: str) -> str:
    width = log.scored[name].end.metrics.size["width"]
    return number(model_state(log.events, name, log.started.scale, width), ",")


def _flops(log: CampaignLog, name: str) -> str:
    return number(log.scored[name].end.metrics.cost.get("flops_per_token"), ",.0f")


def _sealed_means(log: CampaignLog) -> Mapping[tuple[str, int], str]:
    """Return the mean loss of each experiment on each rung, with the number of its seeds."""
    losses: dict[tuple[str, int], list[float]] = {}
    for one, end in log.sealed:
        if parts := parse_verification_run_id(end.run):
            losses.setdefault((one.experiment, parts.rung), []).append(end.metrics.val_loss)
    return {key: f"{number(fmean(values))} ({len(values)})" for key, values in losses.items()}


def _lineage(log: CampaignLog, claim: ClaimStory, campaigns: str, logs: Sequence[CampaignLog]) -> str:
    steps = lineage(log, claim.candidate, logs)
    rows = [
        (design(step.log, step.experiment), plain(step.operator), number(step.loss), number(step.gain, "+.4f"),
         event_link(log, step.at, campaigns) if step.log is log else _place(step, campaigns))
        for step in steps
    ]  # fmt: skip
    text = "Screening scores of one seed, so a step's gain has the noise of two runs."
    if not steps[0].experiment.startswith(BASELINE_PREFIX):
        text += " The line begins with a design from scratch, not with a baseline."
    return f"{text}\n\n{table(('design', 'made by', 'text loss', 'gain over its parent', 'event'), rows)}"


def _place(step: LineageStep, campaigns: str) -> str:
    """Return where another campaign's log has a step, with a link to that campaign."""
    return f"{step.at} of [{plain(step.log.name)}]({campaigns}{step.log.name}.md)"


def _ablation(log: CampaignLog, candidate: str, logs: Sequence[CampaignLog]) -> str:
    """Return what each unit is worth, from the kept runs of `move37 ablate`, or where the same design has it."""
    if not (found := log.ablations.get(candidate)):
        source = log.scored[candidate].source
        same = [
            f"[{plain(other.name)}-{one}]({other.name}-{one}.md#ablation)"
            for other in logs
            for one in (claim.candidate for claim in other.claims if claim.standing == "confirmed")
            if one in other.ablations and other.scored[one].source == source
        ]
        return f"The same design was ablated on its other page, {same[0]}." if same else NO_ABLATION
    plan, runs = found
    rows = [
        (" and ".join(f"`{unit}`" for unit in (one.unit, *one.also)), one.seeds, number(one.gain, "+.4f"),
         interval(one.interval), one.finding)
        for one in worths(plan, runs)
    ]  # fmt: skip
    text = (
        f"Each unit gave way to the plain one of its axis, at {plain(plan.scale)} on sealed text. The gain is the loss "
        "without the unit less the loss of the whole design, nats per byte, paired over fresh seeds. Intervals are "
        "not corrected for their number."
    )
    alone = [f"- `{unit}` can't be taken away alone: {plain(why)}." for unit, why in plan.impossible.items()]
    return "\n\n".join([text, table(("unit", "seeds", "gain", "95 %", "finding"), rows), "\n".join(alone)]).rstrip()


def _cost(log: CampaignLog, claim: ClaimStory) -> str:
    runs = list(_own_runs(log, claim))
    seconds = sum(end.metrics.cost.get("seconds", 0.0) for end in runs)
    return (
        f"Its {len(runs)} runs on sealed text took {hours(seconds)} h. The whole campaign took "
        f"{hours(log.screening_seconds)} h of screening runs and {hours(log.verification_seconds)} h of verification, "
        "those of baselines and of other candidates included. A run has one core."
    )


def _own_runs(log: CampaignLog, claim: ClaimStory) -> Iterator[VerificationCompleted]:
    own: Iterator[tuple[Envelope, VerificationCompleted]] = log.sealed
    return (end for one, end in own if one.experiment == claim.candidate)


def _repeat(log: CampaignLog, claim: ClaimStory) -> str:
    commands = "\n".join(repeat_commands(claim, f"docs/campaigns/{log.file}"))
    return (
        f"The first seed of the highest rung, bit for bit on a machine of the same kind:\n\n"
        f"{verbatim(commands, 'sh')}\n\n"
        f"`move37 replay docs/campaigns/{log.file}` prints the campaign event by event."
    )
