"""What the campaign was and what came of it, in plain words that claim no more than the log shows.

Screening scores are called that: one seed, the best of many tries. The strong word is kept for what a
DiscoveryConfirmed says.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bus.vocabulary.queries import CampaignStatus
from dashboard.leaderboard import compact, figure, signed
from dashboard.markup import Child, Markup, clip, el, join
from dashboard.scores import Scores, called, fitness_of, is_baseline


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 repair`, `3 repairs`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def state(standing: CampaignStatus) -> str:
    """Return in one sentence how far the campaign is."""
    if not standing.campaign:
        return "The log holds no campaign yet."
    if standing.finished:
        return "The campaign has ended."
    how = "is paused" if standing.paused else "is under way"
    return f"The campaign {how}: {standing.settled} of {standing.opened} opened slots are settled."


def outcome(scores: Scores) -> str:
    """Return what became of the experiments, and of the baselines."""
    if not scores.experiments:
        return "No experiment has been opened."
    baselines = [e for e in scores.experiments if is_baseline(e)]
    tried = len(scores.experiments) - len(baselines)
    undecided = sum(scores.tally(status) for status in ("queued", "running", "quarantined"))
    ends = (
        (scores.tally("analysed"), "trained and analysed"),
        (scores.tally("failed"), "given up after failing"),
        (scores.tally("rejected"), "rejected before any code ran"),
        (undecided, "still open"),
    )
    said = ", ".join(f"{count} {end}" for count, end in ends if count)
    lost = sum(e.status == "failed" for e in baselines)
    broken = f" {plural(lost, 'baseline')} could not be trained." if lost else ""
    counted = f"{plural(tried, 'experiment')} beside {plural(len(baselines), 'baseline')}"
    return f"{counted}{': ' if said else ''}{said}.{broken}"


def verdict(scores: Scores) -> Markup:
    """Return how the best candidate stands beside the best baseline."""
    best, base = scores.best, scores.best_baseline
    if best is None:
        return Markup("No candidate has a score yet." if scores.experiments else "")
    said: list[Child] = [
        "The highest screening score of a candidate is ",
        el("strong", figure(best.fitness, 3)),
        " (",
        compact(best),
        f", {called(best)}). " if called(best) else "). ",
    ]
    if base is None:
        return join([*said, "No baseline has a score to compare it with."])
    gain = fitness_of(best) - fitness_of(base)
    relation = "above" if gain > 0 else "below" if gain < 0 else "from"
    return join(
        [
            *said,
            "The best baseline, ",
            compact(base),
            f", has {figure(base.fitness, 3)}: ",
            f"the candidate is {abs(gain):.3f} {relation} it.",
        ]
    )


def caution(scores: Scores, events: Mapping[str, int]) -> str:
    """Return what may and may not be concluded."""
    tries = len(scores.candidates)
    said = []
    if scores.ranked:
        said.append("All scores here are screening scores: one seed and a small model.")
    if tries > 1:
        said.append(f"The best of {tries} noisy scores is expected to lie above its true value.")
    if confirmed := events.get("DiscoveryConfirmed", 0):
        said.append(
            f"{plural(confirmed, 'candidate')} passed the test on fresh seeds and sealed data: "
            f"{plural(confirmed, 'confirmed discovery', 'confirmed discoveries')} (`move37 events` lists the evidence)."
        )
    if refuted := events.get("DiscoveryRefuted", 0):
        said.append(f"{plural(refuted, 'candidate')} went through the test on fresh seeds and did not pass.")
    if tries and not confirmed and not refuted:
        said.append(
            "No candidate has been tested on fresh seeds, so a lead over the baselines is a lead to follow, no result."
        )
    return " ".join(said)


def unconfined(standing: CampaignStatus, sandbox: str) -> Markup | None:
    """Return the loud word that candidates ran without a sandbox, or nothing where they were contained."""
    if sandbox != "none" and (standing.started is None or standing.started.sandbox != "none"):
        return None
    words = (
        "Candidate code ran on this machine with all the rights of the user who started it. Its scores are as "
        "trustworthy as that code is."
    )
    return el("p", el("strong", "No sandbox. "), words, class_="warning", role="note")


def lasted(span: timedelta) -> str:
    """Return a duration as people say it: `2 h 05 min`, `7 min 30 s`, `12 s`."""
    seconds = max(0, round(span.total_seconds()))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds % 60:02d} s" if minutes else f"{seconds} s"


def figures(scores: Scores) -> Markup:
    """Return the few figures that a reader looks for first."""
    best, base = scores.best, scores.best_baseline
    shown = [
        ("best candidate", figure(best.fitness if best else None, 3)),
        ("best baseline", figure(base.fitness if base else None, 3)),
        ("difference", signed(scores.gain)),
        ("experiments", str(sum(not is_baseline(e) for e in scores.experiments))),
    ]
    return el("dl", *(el("div", el("dt", term), el("dd", value)) for term, value in shown), class_="headline")


def facts(
    standing: CampaignStatus,
    *,
    started: datetime | None,
    ended: datetime | None,
    events: Mapping[str, int],
    sandbox: str,
) -> Markup:
    """Return the campaign's settings and circumstances as terms and values."""
    pairs: list[tuple[str, Child]] = [("campaign", clip(standing.campaign, 60) or "none")]
    if begun := standing.started:
        pairs += [
            ("seed", str(begun.seed)),
            ("scale", clip(begun.scale, 60)),
            ("experiments", f"{standing.budget} planned, {plural(begun.slots, 'slot')} at once"),
            ("baselines", clip(", ".join(begun.baselines), 300) or "none"),
            ("text", clip(begun.data, 200) if begun.data else "the default corpus"),
        ]
    pairs += [
        ("started", moment(started)),
        ("ended", moment(ended)),
        ("took", lasted(ended - started) if started and ended else "not known"),
        ("sandbox", clip(sandbox, 60)),
        ("pool", f"renewed {standing.generation} times" if standing.generation else "not renewed yet"),
        ("log", f"{plural(sum(events.values()), 'event')}, read up to position {standing.last_seq}"),
    ]
    return el("dl", *(el("div", el("dt", term), el("dd", value)) for term, value in pairs), class_="figures")


def moment(when: datetime | None) -> Markup | str:
    """Return a time that both people and machines can read."""
    if when is None:
        return "not recorded"
    words = when.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    return el("time", words, datetime=when.isoformat())


def listed(title: str, lines: Sequence[str]) -> Markup | None:
    """Return short texts under a heading, nothing where there are none."""
    return el("section", el("h3", title), el("ul", *(el("li", clip(line, 600)) for line in lines))) if lines else None
