"""The campaign and its result in sentences that claim no more than the log shows.

A screening score is called one: it is from one seed, and the best of many tries. Only a DiscoveryConfirmed event is
called a discovery.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bus.vocabulary.queries import CampaignStatus
from dashboard.names import short_name
from dashboard.report.leaderboard import experiment_link, figure, signed
from dashboard.report.markup import Child, Markup, clip, el, join
from dashboard.report.scores import Scores, display_name, is_baseline, merit_of

MAX_OPEN_LINES = 5
"""Short texts that are shown without a click."""
VERIFYING = ("VerificationCompleted", "EvidenceReady")
"""Events that show that candidates are tested on fresh seeds."""


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 repair`, `3 repairs`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def progress_sentence(status: CampaignStatus) -> str:
    """Return the progress of the campaign in one sentence."""
    if not status.campaign:
        return "The log holds no campaign yet."
    if status.finished:
        return "The campaign has ended."
    state = "is paused" if status.paused else "is under way"
    return f"The campaign {state}: {status.ended} of {status.total} experiments have ended."


def counts_sentence(scores: Scores) -> str:
    """Return the numbers of experiments by their end, and of the baselines."""
    if not scores.experiments:
        return "No experiment has been opened."
    baselines = [e for e in scores.experiments if is_baseline(e)]
    tried = len(scores.experiments) - len(baselines)
    undecided = sum(scores.count_status(status) for status in ("queued", "running", "quarantined"))
    ends = (
        (scores.count_status("analysed"), "trained and analysed"),
        (scores.count_status("failed"), "given up after failing"),
        (scores.count_status("rejected"), "rejected before any code ran"),
        (undecided, "still open"),
    )
    counts = ", ".join(f"{count} {end}" for count, end in ends if count)
    failed = sum(e.status == "failed" for e in baselines)
    failures = f" {plural(failed, 'baseline')} could not be trained." if failed else ""
    totals = f"{plural(tried, 'experiment')} in addition to {plural(len(baselines), 'baseline')}"
    return f"{totals}{': ' if counts else ''}{counts}.{failures}"


def verdict(scores: Scores) -> Markup:
    """Return the comparison of the best candidate with the best baseline."""
    best, base = scores.best, scores.best_baseline
    if best is None:
        return Markup("No candidate has a score yet." if scores.experiments else "")
    opening: list[Child] = [
        "The candidate that ranks first (",
        experiment_link(best),
        el("span", f", {short_name(display_name(best))}", title=display_name(best)) if display_name(best) else "",
        ") has a screening score of ",
        el("strong", figure(merit_of(best), 3)),
        ". ",
    ]
    if base is None:
        return join([*opening, "No baseline has a score to compare it with."])
    gain = merit_of(best) - merit_of(base)
    relation = "above" if gain > 0 else "below" if gain < 0 else "from"
    return join(
        [
            *opening,
            "The best baseline, ",
            experiment_link(base),
            f", has {figure(merit_of(base), 3)}: ",
            f"the candidate is {abs(gain):.3f} {relation} it.",
        ]
    )


def caution(scores: Scores, events: Mapping[str, int], *, finished: bool) -> str:
    """Return what may and may not be concluded; `finished` tells whether the campaign has ended."""
    tries = len(scores.candidates)
    sentences = []
    if scores.ranked:
        sentences.append("All scores here are screening scores: one seed and a small model.")
    if scores.has_objective:
        sentences.append("They are gains over the best baseline in standard deviations of seed noise, shrunk.")
    if tries > 1:
        sentences.append(f"The best of {tries} noisy scores is expected to be above its true value.")
    if confirmed := events.get("DiscoveryConfirmed", 0):
        sentences.append(
            f"{plural(confirmed, 'candidate')} passed the test on fresh seeds and sealed data: "
            f"{plural(confirmed, 'confirmed discovery', 'confirmed discoveries')}; Verification has the evidence."
        )
    if refuted := events.get("DiscoveryRefuted", 0):
        sentences.append(f"{plural(refuted, 'candidate')} did not pass the test on fresh seeds.")
    if tries and not confirmed and not refuted:
        sentences.append(_without_verdict(events, finished=finished))
    return " ".join(sentences)


def _without_verdict(events: Mapping[str, int], *, finished: bool) -> str:
    """Return how far the test on fresh seeds is while no candidate has a verdict."""
    if not any(events.get(name) for name in VERIFYING):
        return (
            "No candidate has been tested on fresh seeds, so a lead over the baselines is a reason to test it, "
            "not a result."
        )
    if finished:
        return "Verification began, and the campaign ended before any candidate had a verdict: nothing is confirmed."
    return "Verification is under way; no verdict yet."


def sandbox_warning(status: CampaignStatus, sandbox: str) -> Markup | None:
    """Return the warning that candidates ran without a sandbox, None if they ran in one."""
    if sandbox != "none" and (status.started is None or status.started.sandbox != "none"):
        return None
    text = (
        "Candidate code ran on this machine with all the rights of the user who started it. Its scores are only as "
        "trustworthy as that code."
    )
    return el("p", el("strong", "No sandbox. "), text, class_="warning", role="note")


def duration_text(seconds: float) -> str:
    """Return a duration for people: `2 h 05 min`, `7 min 30 s`, `12 s`."""
    total = max(0, round(seconds))
    hours, minutes = total // 3600, total % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {total % 60:02d} s" if minutes else f"{total} s"


def figures(scores: Scores) -> Markup:
    """Return the headline figures."""
    best, base = scores.best, scores.best_baseline
    pairs = [
        ("best candidate", figure(merit_of(best) if best else None, 3)),
        ("best baseline", figure(merit_of(base) if base else None, 3)),
        ("difference", signed(scores.gain)),
        ("experiments", str(sum(not is_baseline(e) for e in scores.experiments))),
    ]
    return el("dl", *(el("div", el("dt", term), el("dd", value)) for term, value in pairs), class_="headline")


def facts(
    status: CampaignStatus,
    *,
    started: datetime | None,
    ended: datetime | None,
    events: Mapping[str, int],
    sandbox: str,
) -> Markup:
    """Return the campaign's settings, times and log as terms and values."""
    pairs: list[tuple[str, Child]] = [("campaign", clip(status.campaign, 60) or "none")]
    if campaign := status.started:
        pairs += [
            ("seed", str(campaign.seed)),
            ("scale", clip(campaign.scale, 60)),
            ("experiments", f"{status.budget} planned, {plural(campaign.slots, 'slot')} at once"),
            ("baselines", clip(", ".join(campaign.baselines), 300) or "none"),
            ("text", clip(campaign.data, 200) if campaign.data else "the default corpus"),
        ]
    pairs += [
        ("started", time_element(started)),
        ("ended" if status.finished else "newest event", time_element(ended)),
        ("duration", duration_text((ended - started).total_seconds()) if started and ended else "not known"),
        ("sandbox", clip(sandbox, 60)),
        ("pool", f"renewed {status.generation} times" if status.generation else "not renewed yet"),
        ("log", f"{plural(sum(events.values()), 'event')}, read up to position {status.last_seq}"),
    ]
    return el("dl", *(el("div", el("dt", term), el("dd", value)) for term, value in pairs), class_="figures")


def time_element(time: datetime | None) -> Markup | str:
    """Return a time that both people and machines can read."""
    if time is None:
        return "not recorded"
    return el("time", time.strftime("%Y-%m-%d %H:%M:%S %Z").strip(), datetime=time.isoformat())


def text_list(title: str, lines: Sequence[str]) -> Markup | None:
    """Return short texts under a heading, None if there are none; many are folded, since results come below them."""
    if not lines:
        return None
    items = el("ul", *(el("li", clip(line, 600)) for line in lines))
    if len(lines) > MAX_OPEN_LINES:
        return el("details", el("summary", f"{title} ({len(lines)})"), items)
    return el("section", el("h3", title), items)
