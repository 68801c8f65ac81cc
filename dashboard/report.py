"""The report: one self-contained HTML page that shows a campaign, for a person to read, print, send and keep.

Pictures are SVG drawn by the modules beside this one; nothing is loaded from elsewhere, the content security policy
forbids it, and everything that people, models or candidates wrote is escaped on its way in (`markup`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from shlex import quote

from bus.queries import Experiment, Standing
from dashboard import curves, failures, fitness, key, leaderboard, lineage, summary, tradeoff
from dashboard.markup import Markup, clip, el, join
from dashboard.records import records
from dashboard.scores import Scores
from dashboard.script import POLICY, SCRIPT
from dashboard.style import STYLE
from dashboard.svg import NARROW, WIDE

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
    standing: Standing,
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
    rest = {name: _part(name, heading, parts[name]) for name, heading in PARTS if name in parts}
    room = PAGE_BYTES - len(join([head, *top, *rest.values()]).encode())
    if experiments:
        rest["records"] = _part("records", "Every experiment", _records(scores, room))
    body = [head, el("main", *top, *(rest[name] for name, _ in PARTS if name in rest)), _footer()]
    return _document(standing, body)


def _parts(standing: Standing, scores: Scores) -> dict[str, Markup | None]:
    """Return the content of every part but the records, None where it has nothing to show."""
    return {
        "leaderboard": _leaderboard(scores),
        "time": _time(scores),
        "curves": _curves(scores),
        "lineage": _lineage(scores),
        "tradeoff": _tradeoff(scores),
        "failures": failures.table(scores.experiments) if scores.experiments else None,
        "next": _next(standing, scores),
    }


def _leaderboard(scores: Scores) -> Markup | None:
    """Return the leaderboard with its filter, once there is a score."""
    if not any(e.fitness is not None or e.val_loss is not None for e in scores.experiments):
        return None
    return join([_filter("leaderboard", "#leaderboard tbody tr"), leaderboard.table(scores)])


def _time(scores: Scores) -> Markup | None:
    """Return fitness over time, once there is a fitness."""
    caption = (
        "Each mark is one experiment where its slot was opened. The line is the best candidate so far, the band the "
        "range of the baselines. A best-so-far line can only rise, and with noisy scores it rises by chance alone; it "
        "is no trend."
    )
    return (
        _figure(_twice(scores, fitness.picture), caption, key.legend(scores, colours=False)) if scores.ranked else None
    )


def _lineage(scores: Scores) -> Markup | None:
    """Return the family tree, once there is an experiment."""
    caption = (
        "Parents stand left of their children. The strong line leads to the best candidate. Where there are many "
        "experiments, children that have none of their own stand together in blocks."
    )
    if not scores.experiments:
        return None
    drawn = el("div", *lineage.pictures(scores), class_="tree", tabindex="0", role="region", aria_label="Lineage")
    return _figure([drawn], caption, key.legend(scores, colours=True))


def _tradeoff(scores: Scores) -> Markup | None:
    """Return recall and bits per byte, once something is measured."""
    caption = (
        "Whiskers are one standard error of recall; they don't hold the spread between seeds. The area of a mark is in "
        "proportion to its parameters. The dotted line joins those that nothing else beats in both."
    )
    if not tradeoff.measured(scores):
        return None
    return _figure(_twice(scores, tradeoff.picture), caption, key.legend(scores, colours=True))


def _twice(scores: Scores, picture: Callable[[Scores, int], Markup]) -> list[Markup]:
    """Return a picture drawn for a wide and for a narrow page, of which the style sheet shows one."""
    return [picture(scores, width) for width in (WIDE, NARROW)]


def _figure(drawings: Sequence[Markup], caption: str, legend: Markup) -> Markup:
    """Return drawings with their key above and their caption below."""
    return el("figure", legend, *drawings, el("figcaption", caption))


def _curves(scores: Scores) -> Markup | None:
    """Return the loss curves with their caption."""
    drawn = curves.pictures(scores)
    caption = "Training loss as logged, thinned. An axis is logarithmic where that shows more, and says so."
    return join([drawn, el("p", caption, class_="caption")]) if drawn else None


def _records(scores: Scores, room: int) -> Markup:
    """Return the records with their filter."""
    return join([_filter("experiments", "#records .record"), records(scores, room)])


def _filter(what: str, rows: str) -> Markup:
    """Return a filter field; the script shows it, since without a script it would do nothing."""
    field = el("input", type="search", placeholder="name, id, origin …", autocomplete="off")
    return el("label", f"Filter the {what} ", field, class_="filter", data_rows=rows, hidden=True)


def _part(name: str, heading: str, content: Markup | None) -> Markup:
    """Return one headed part of the page."""
    return el("section", el("h2", heading, id=f"{name}-heading"), content, id=name, aria_labelledby=f"{name}-heading")


def _head(standing: Standing, scores: Scores, events: Mapping[str, int], sandbox: str, parts: Iterable[str]) -> Markup:
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


def _next(standing: Standing, scores: Scores) -> Markup:
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


def _document(standing: Standing, body: Sequence[Markup]) -> str:
    """Return the whole document around its body."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name_="color-scheme", content="light dark"),
        el("title", f"move37 {clip(standing.campaign, 60)}".strip()),
        el("style", Markup(STYLE)),
    )
    page = el("html", head, el("body", *body, el("script", Markup(SCRIPT))), lang="en")
    return f"<!doctype html>\n{page}\n"
