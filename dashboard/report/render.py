"""The report: one self-contained HTML page about a campaign, to read, print, send and keep.

Pictures are SVG from the other modules of this package. The page loads nothing, which its content security policy
enforces. All text from people, models and candidates is escaped (`dashboard.report.markup`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from shlex import quote

from bus.vocabulary.queries import CampaignStatus
from dashboard.report import effects as unit_effects
from dashboard.report import failures, figures, forecasts, leaderboard, summary
from dashboard.report import verification as claims
from dashboard.report.markup import Markup, clip, el, join
from dashboard.report.page import document
from dashboard.report.records import records
from dashboard.report.results import CampaignResults
from dashboard.report.scores import Scores
from dashboard.report.script import SCRIPT

PAGE_BYTES = 2_900_000
"""Size limit of a page; sources and records of the lower ranks are left out to keep it."""
PARTS = (
    ("verification", "Verification"),
    ("arms", "Arms"),
    ("leaderboard", "Leaderboard"),
    ("time", "Scores over time"),
    ("curves", "Loss curves"),
    ("lineage", "Lineage"),
    ("tradeoff", "Recall and text loss"),
    ("effects", "What units are worth"),
    ("forecasts", "What forecasts were worth"),
    ("records", "Every experiment"),
    ("failures", "What failed"),
    ("next", "What to do next"),
)
"""Anchors and headings of the page, in order; a part without content is left out."""


def render_report(
    results: CampaignResults,
    *,
    started: datetime | None,
    ended: datetime | None,
    events: Mapping[str, int],
    sandbox: str,
    notes: Sequence[str] = (),
) -> str:
    """Return the report as an HTML document.

    `started` and `ended` are the times of the campaign's first and last event. `events` counts the log by type.
    `sandbox` is the setting; for `none` the page has a warning. `notes` are short remarks of the caller. Imported
    experiments, which nothing here has measured, are only counted.
    """
    status = results.status
    scores = Scores([experiment for experiment in results.experiments if experiment.imported is None])
    if count := len(results.experiments) - len(scores.experiments):
        notes = (*notes, f"{count:,} imported experiments are left out: nothing here has measured them.")
    top = [
        summary.facts(status, started=started, ended=ended, events=events, sandbox=sandbox),
        summary.text_list("Guidance from people", status.guidance),
        summary.text_list("Notes", notes),
        _event_counts(events),
    ]
    parts = {name: content for name, content in _parts(results, scores).items() if content}
    head = _head(status, scores, events, sandbox, parts)
    rest = {name: figures.section(name, heading, parts[name]) for name, heading in PARTS if name in parts}
    room = PAGE_BYTES - len(join([head, *top, *rest.values()]).encode())
    if scores.experiments:
        rest["records"] = figures.section("records", "Every experiment", _records(scores, room))
    body = [head, el("main", *top, *(rest[name] for name, _ in PARTS if name in rest)), _footer()]
    return document(status.campaign, body, SCRIPT)


def _parts(results: CampaignResults, scores: Scores) -> dict[str, Markup | None]:
    """Return the content of every part except the records, None for a part without content."""
    return {
        "verification": claims.table(results.verification) if results.verification else None,
        "arms": claims.arms_part(results.arms, results.arm_comparisons) if results.arms and results.arms.rows else None,
        "leaderboard": _leaderboard(scores),
        "time": figures.fitness_over_time(scores),
        "curves": figures.loss_curves(scores),
        "lineage": figures.lineage_tree(scores),
        "tradeoff": figures.recall_tradeoff(scores),
        "effects": unit_effects.table(results.effects),
        "forecasts": forecasts.paragraph(results.forecasts),
        "failures": failures.table(scores.experiments) if scores.experiments else None,
        "next": _next(results.status, scores),
    }


def _leaderboard(scores: Scores) -> Markup | None:
    """Return the leaderboard with its filter, None until there is a score."""
    if not any(e.fitness is not None or e.val_loss is not None for e in scores.experiments):
        return None
    return join([_filter("leaderboard", "#leaderboard tbody tr"), leaderboard.table(scores)])


def _records(scores: Scores, room: int) -> Markup:
    """Return the records with their filter."""
    return join([_filter("experiments", "#records .record"), records(scores, room)])


def _filter(name: str, rows: str) -> Markup:
    """Return a filter field for the rows of a CSS selector; hidden until the script shows it."""
    field = el("input", type="search", placeholder="name, id, origin …", autocomplete="off")
    return el("label", f"Filter the {name} ", field, class_="filter", data_rows=rows, hidden=True)


def _head(
    status: CampaignStatus, scores: Scores, events: Mapping[str, int], sandbox: str, parts: Iterable[str]
) -> Markup:
    """Return the head of the page: the goal, the result, what may be concluded from it, and links to the parts."""
    goal = clip(status.started.goal, 300) if status.started else "No campaign yet"
    names = {*parts, *(["records"] if scores.experiments else [])}
    links = (el("a", heading, href=f"#{name}") for name, heading in PARTS if name in names)
    lead = join([summary.progress_sentence(status), summary.counts_sentence(scores), summary.verdict(scores)], " ")
    return el(
        "header",
        el("p", "move37 · report of a campaign", class_="kicker"),
        el("h1", goal),
        summary.sandbox_warning(status, sandbox),
        el("p", lead, class_="lead"),
        el("p", summary.caution(scores, events, finished=status.finished)),
        summary.figures(scores) if scores.ranked else None,
        el("nav", join(links, " "), aria_label="Parts of this page"),
    )


def _event_counts(events: Mapping[str, int]) -> Markup | None:
    """Return the number of events of each type, folded."""
    pairs = (
        el("div", el("dt", clip(name, 60)), el("dd", f"{events[name]:,}")) for name in sorted(events) if events[name]
    )
    return el("details", el("summary", "Events by type"), el("dl", *pairs, class_="figures")) if events else None


def _next(status: CampaignStatus, scores: Scores) -> Markup:
    """Return the commands that a reader may want to run next."""
    if not status.campaign:
        return el("dl", *_command("move37 run", "starts a campaign"))
    rows = _command(f"move37 show {quote(scores.best.id)}", "prints the best candidate in full") if scores.best else []
    rows += [] if status.finished else _command("move37 run", "resumes the campaign")
    rows += _command('move37 say "try a smaller state"', "steers the next proposals of a running campaign")
    rows += _command("move37 say --propose mixer.py", "enters an architecture of your own")
    rows += _command("move37 experiments --json", "prints these figures for other programs")
    rows += _command("move37 export-log log.jsonl", "writes the whole log to a file, one CloudEvent a line")
    hint = "Add --home DIR if the lab's home is not ./.move37."
    return join([el("dl", *rows, class_="commands"), el("p", hint, class_="quiet")])


def _command(line: str, effect: str) -> list[Markup]:
    """Return a command and its effect."""
    return [el("dt", el("code", line)), el("dd", effect)]


def _footer() -> Markup:
    return el("footer", el("p", "Written by move37 from its log. This page loads nothing from the network."))
