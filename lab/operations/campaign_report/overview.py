"""The page that compares the campaigns: a table of them, the law of discovery, and how the rungs agree."""

from collections.abc import Iterator, Sequence

from agents.analysis.evidence.rank_statistics import MIN_DESIGNS, RungCorrelation
from lab.client.law import law_report
from lab.client.placebos import PlaceboRate, placebo_rate
from lab.client.rungs import agreements, rung_losses, rung_runs
from lab.operations.campaign_report.law_tables import law_tables
from lab.operations.campaign_report.logs import CampaignLog
from lab.operations.campaign_report.writing import NONE, design, event_link, hours, interval, number, page
from lab.operations.evidence import ClaimStory, summary_row
from lab.operations.markdown_text import plain, table

HEAD = (
    "campaign", "seed", "policy", "control arms", "experiments", "hours of screening", "hours of verification",
    "best text loss", "best baseline", "verified", "confirmed", "refuted",
)  # fmt: skip


def overview(logs: Sequence[CampaignLog]) -> str:
    """Return the page."""
    if not logs:
        return page("Campaigns", "No log is kept here yet.", "[Discoveries](../discoveries/README.md)")
    parts = (_opening(), table(HEAD, [_row(log) for log in logs]), _found(logs), _placebos(logs), _law(logs),
             _rungs(logs))  # fmt: skip
    return page("Campaigns", *parts)


def _opening() -> str:
    return (
        "Each row is one campaign, whose exported log is in this folder. A run has one core, so hours of runs are CPU "
        "hours; they count completed runs. Text losses are nats per byte: of one seed, the best of many, and no "
        "claim. What was *verified* was tested on fresh seeds and sealed text against the best baselines "
        "([how](../explanation/verification.md)). Links on figures lead to the events that they come from."
    )


def _row(log: CampaignLog) -> tuple[object, ...]:
    standings = [claim.standing for claim in log.claims]
    arms = ", ".join(f"{arm} {share:.0%}" for arm, share in log.started.arms.items() if share)
    return (
        f"[{log.name}]({log.name}.md)", log.started.seed, plain(log.started.policy), arms or NONE,
        log.started.experiments, hours(log.screening_seconds), hours(log.verification_seconds),
        _best(log, baseline=False), _best(log, baseline=True),
        len(standings), standings.count("confirmed"), standings.count("refuted"),
    )  # fmt: skip


def _best(log: CampaignLog, *, baseline: bool) -> str:
    """Return the least text loss with its experiment and its event."""
    name = log.best(baseline=baseline)
    if name is None:
        return NONE
    run = log.scored[name]
    return f"{number(run.loss)} `{name}` ({event_link(log, run.at.seq)})"


def _found(logs: Sequence[CampaignLog]) -> str:
    """Return the verdicts of all campaigns."""
    rows = [_verdict(log, place) for log in logs for place in range(len(log.claims))]
    if not rows:
        return "## Verdicts\n\nNo candidate was verified in these campaigns."
    head = ("campaign", "candidate", "verdict", "event", "reason")
    return f"## Verdicts\n\n{table(head, rows)}\n\n[Discoveries](../discoveries/README.md) tells of the confirmed ones."


def _verdict(log: CampaignLog, place: int) -> tuple[object, ...]:
    claim = log.claims[place]
    at = event_link(log, claim.verdict[0]) if claim.verdict else NONE
    return log.name, design(log, claim.candidate), claim.standing, at, plain(claim.reason) or NONE


def _placebos(logs: Sequence[CampaignLog]) -> str:
    """Return how often a baseline passed under another name, with what that says of the rate of false discoveries."""
    climbed = [(log, story) for log in logs for story in log.placebos]
    if not climbed:
        return "## Placebos\n\nNo baseline climbed as a placebo, so the rate of false discoveries was not measured."
    firsts: dict[frozenset[str], str] = {}  # what the runs of a climb left: the first campaign that has them
    names = [firsts.setdefault(_weights(log, story), log.name) for log, story in climbed]
    rows = [_placebo(log, story, first) for (log, story), first in zip(climbed, names, strict=True)]
    own = [story.standing for (log, story), first in zip(climbed, names, strict=True) if first == log.name]
    rate = placebo_rate(own)
    text = (
        "The best baseline climbed again under another name and with other seeds, so it has no gain. It would have "
        f"been called a discovery in {rate.passed} of {rate.ended} climbs that ended{_interval(rate)}. Campaigns of "
        "one seed have the same placebos, whose runs count once."
    )
    head = ("campaign", "placebo", "rung", "seeds", "against", "gain", "e-value", "needed", "outcome", "event")
    return f"## Placebos\n\n{text}\n\n{table(head, rows)}"


def _interval(rate: PlaceboRate) -> str:
    """Return the exact interval of a rate, in words; nothing without a climb that ended."""
    if rate.interval is None:
        return ""
    low, high = rate.interval
    return f", a rate between {low:.0%} and {high:.0%} (exact interval of 95 %)"


def _weights(log: CampaignLog, story: ClaimStory) -> frozenset[str]:
    """Return the hashes of the weights that a placebo's runs left; its campaign and name if it has none yet."""
    own = frozenset(end.weights_sha256 for one, end in log.sealed if one.experiment == story.candidate)
    return own or frozenset({f"{log.name} {story.candidate}"})


def _placebo(log: CampaignLog, story: ClaimStory, first: str) -> tuple[object, ...]:
    row = summary_row(story)
    repeated = "" if first == log.name else f", the runs of {first}"
    return (
        log.name, f"{story.candidate}, `{story.promotions[0][1].placebo_of}`", row["rung"], row["seeds"],
        f"`{row['against']}`", number(row["gain"], "+.4f"), number(row["e_value"], ".3g"), number(row["needed"], ".3g"),
        story.standing + repeated, event_link(log, row["at"]),
    )  # fmt: skip


def _law(logs: Sequence[CampaignLog]) -> str:
    text = (
        "Campaigns are pooled by arm ([what the words mean](../explanation/evidence.md#the-law-of-discovery)); "
        "`move37 law LOG...` prints the same. Gains are nats per byte over the campaign's best baseline: screening "
        "hits and best gains are of one seed, and no discoveries."
    )
    report = law_report([search for log in logs for search in log.searches])
    return f"## The law of discovery\n\n{text}\n\n{law_tables(report)}"


def _rungs(logs: Sequence[CampaignLog]) -> str:
    rows = list(_rung_rows(logs))
    head = ("from", "to", "designs", "Spearman's rho", "within the best quarter")
    text = (
        f"Fewer than {MIN_DESIGNS} designs say nothing. An interval that includes 0 is a warning. Campaigns whose plan "
        "tunes learning rates stand apart: at nano, tuning moves a loss by about as much as designs differ."
    )
    return f"## From rung to rung\n\n{text}\n\n{table(head, rows) if rows else 'No design ran at two rungs.'}"


def _rung_rows(logs: Sequence[CampaignLog]) -> Iterator[tuple[object, ...]]:
    for tuned in (False, True):
        own = [log for log in logs if bool(log.started.verification and log.started.verification.rates) == tuned]
        runs = (run for log in own for run in rung_runs(log.outcomes, log.started, log.name))
        for one in agreements(rung_losses(runs)):
            upper = f"{one.upper}, rates tuned" if tuned else one.upper
            yield one.lower, upper, one.over_all.designs, _correlation(one.over_all), _correlation(one.best)


def _correlation(one: RungCorrelation) -> str:
    if one.value is None:
        return f"{NONE} ({one.designs} designs)"
    warning = "; **includes 0**" if one.is_unsure else ""
    return f"{one.value:+.2f} {interval(one.interval, '+.2f')}{warning}"
