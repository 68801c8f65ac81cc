"""The report: one self-contained HTML page that shows a campaign, for a person to read, print, send and keep.

Pictures are SVG drawn by the modules beside this one; nothing is loaded from elsewhere, the content security policy
forbids it, and everything that people, models or candidates wrote is escaped on its way in (`markup`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from shlex import quote

from bus.vocabulary.queries import CampaignStatus, Experiment
from dashboard import failures, figures, leaderboard, summary
from dashboard.markup import Markup, clip, el, join
from dashboard.page import document
from dashboard.records import records
from dashboard.scores import Scores
from dashboard.script import SCRIPT

PAGE_BYTES = 2_900_000
"""Size that a page keeps to, by leaving out sources and records of the lower ranks."""
PARTS = (
    ("leaderboard", "Leaderboard"),
    ("time", "Fitness over time"),
    ("curves", "Loss curves"),
    ("lineage", "Lineage"),
    ("tradeoff", "Recall and bits per byte"),
    ("records", "Every experiment"),
    ("failures", "What failed"),
    ("next", "How to go on"),
)
"""Anchors and headings of the page, in order; a part that has nothing to show is left out."""


def render_report(
    standing: CampaignStatus,
    experiments: Sequence[Experiment],
    *,
    started: datetime | None,
    ended: datetime | None,
    events: Mapping[str, int],
    sandbox: str,
    notes: Sequence[str] = (),
) -> str:
    """Return the report as an HTML document in UTF-8, ready to be written to a file.

    `experiments` come full (sources, curves, failures, findings), in the order they were opened; `started` and `ended`
    are the times of the campaign's first and last event, `events` counts the log by type, `sandbox` names what
    contained the candidates (`none` is said loudly), `notes` are short remarks of the caller.
    """
    scores = Scores(experiments)
    top = [
        summary.facts(standing, started=started, ended=ended, events=events, sandbox=sandbox),
        summary.listed("What people asked for", standing.guidance),
        summary.listed("Notes", notes),
        _event_counts(events),
    ]
    parts = {name: content for name, content in _parts(standing, scores).items() if content}
    head = _head(standing, scores, events, sandbox, parts)
    rest = {name: figures.part(name, heading, parts[name]) for name, heading in PARTS if name in parts}
    room = PAGE_BYTES - len(join([head, *top, *rest.values()]).encode())
    if experiments:
        rest["records"] = figures.part("records", "Every experiment", _records(scores, room))
    body = [head, el("main", *top, *(rest[name] for name, _ in PARTS if name in rest)), _footer()]
    return document(standing.campaign, body, SCRIPT)


def _parts(standing: CampaignStatus, scores: Scores) -> dict[str, Markup | None]:
    """Return the content of every part but the records, None where it has nothing to show."""
    return {
        "leaderboard": _leaderboard(scores),
        "time": figures.over_time(scores),
        "curves": figures.losses(scores),
        "lineage": figures.family(scores),
        "tradeoff": figures.balance(scores),
        "failures": failures.table(scores.experiments) if scores.experiments else None,
        "next": _next(standing, scores),
    }


def _leaderboard(scores: Scores) -> Markup | None:
    """Return the leaderboard with its filter, once there is a score."""
    if not any(e.fitness is not None or e.val_loss is not None for e in scores.experiments):
        return None
    return join([_filter("leaderboard", "#leaderboard tbody tr"), leaderboard.table(scores)])


def _records(scores: Scores, room: int) -> Markup:
    """Return the records with their filter."""
    return join([_filter("experiments", "#records .record"), records(scores, room)])


def _filter(what: str, rows: str) -> Markup:
    """Return a filter field; the script shows it, since without a script it would do nothing."""
    field = el("input", type="search", placeholder="name, id, origin …", autocomplete="off")
    return el("label", f"Filter the {what} ", field, class_="filter", data_rows=rows, hidden=True)


def _head(
    standing: CampaignStatus, scores: Scores, events: Mapping[str, int], sandbox: str, parts: Iterable[str]
) -> Markup:
    """Return the page's opening: the goal, what came of it, what may be concluded, and the way to the parts."""
    goal = clip(standing.started.goal, 300) if standing.started else "No campaign yet"
    there = {*parts, *(["records"] if scores.experiments else [])}
    links = (el("a", heading, href=f"#{name}") for name, heading in PARTS if name in there)
    said = join([summary.state(standing), summary.outcome(scores), summary.verdict(scores)], " ")
    return el(
        "header",
        el("p", "move37 · report of a campaign", class_="kicker"),
        el("h1", goal),
        summary.unconfined(standing, sandbox),
        el("p", said, class_="lead"),
        el("p", summary.caution(scores, events)),
        summary.figures(scores) if scores.ranked else None,
        el("nav", join(links, " "), aria_label="Parts of this page"),
    )


def _event_counts(events: Mapping[str, int]) -> Markup | None:
    """Return how many events of each type the log holds, folded."""
    pairs = (
        el("div", el("dt", clip(name, 60)), el("dd", f"{events[name]:,}")) for name in sorted(events) if events[name]
    )
    return el("details", el("summary", "Events by type"), el("dl", *pairs, class_="figures")) if events else None


def _next(standing: CampaignStatus, scores: Scores) -> Markup:
    """Return the commands that lead on from here."""
    if not standing.campaign:
        return el("dl", *_command("move37 run", "starts a campaign"))
    lines = (
        _command(f"move37 show {quote(scores.best.id)}", "prints all that is known of the best candidate")
        if scores.best
        else []
    )
    lines += [] if standing.finished else _command("move37 run", "goes on where the campaign stands")
    lines += _command('move37 say "try a smaller state"', "steers the next proposals of a campaign that is running")
    lines += _command("move37 say --propose mixer.py", "enters an architecture of your own")
    lines += _command("move37 experiments --json", "gives these figures to other programs")
    lines += _command("move37 export-log log.jsonl", "writes the whole log, one CloudEvent a line")
    return join(
        [
            el("dl", *lines, class_="commands"),
            el("p", "Add --home where the lab does not live in ./.move37.", class_="quiet"),
        ]
    )


def _command(line: str, does: str) -> list[Markup]:
    """Return a command and what it does."""
    return [el("dt", el("code", line)), el("dd", does)]


def _footer() -> Markup:
    """Return the page's last words."""
    return el("footer", el("p", "Written by move37 from its log. This page loads nothing from anywhere."))
