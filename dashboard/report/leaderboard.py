"""The leaderboard: one row for each experiment with a score, baselines included, best first."""

from bus.vocabulary.events import FitnessParts
from bus.vocabulary.queries import Experiment
from dashboard.names import short_name
from dashboard.report.markup import Child, Markup, el
from dashboard.report.scores import STATUS_WORDS, Scores, display_name, is_baseline, merit_of, title

MERIT = "merit"
"""Stands for the head of what the campaign ranks by."""
COLUMNS = (
    ("#", "number"),
    ("experiment", "text"),
    ("origin", "text"),
    (MERIT, "number"),
    ("fitness: loss · benchmark · judge", ""),
    ("Δ best baseline", "number"),
    ("text loss", "number"),
    ("recall", "number"),
    ("parameters", "number"),
    ("seconds", "number"),
)
"""Head of each column, and how the script sorts it; the column of bars can't be sorted."""
NO_VALUE = "\N{EN DASH}"
"""Replaces an unknown figure; the script sorts it last."""
_BAR_PIXELS = 44


def table(scores: Scores, max_ranked: int | None = None) -> Markup:
    """Return the table, with at most `max_ranked` ranked rows.

    Trained experiments that are not analysed yet, or in quarantine, come last, without a rank. Failed ones are left
    out.
    """
    trained = [e for e in scores.experiments if e.val_loss is not None and e.status != "failed"]
    waiting = [e for e in trained if e.fitness is None]
    names = ((scores.merit_name if text is MERIT else text, kind) for text, kind in COLUMNS)
    heads = (el("th", text, scope="col", class_=kind or None, data_sort=kind or None) for text, kind in names)
    rows = [_row(scores, e) for e in (*scores.ranked[:max_ranked], *waiting)]
    content = el(
        "table",
        el("caption", "Screening scores, one seed each; text loss in nats per byte"),
        el("thead", el("tr", *heads)),
        el("tbody", *rows),
        class_="sortable",
    )
    return el("div", content, class_="scroll", tabindex="0", role="region", aria_label="Leaderboard")


def _row(scores: Scores, experiment: Experiment) -> Markup:
    """Return one experiment's row."""
    e = experiment
    short = el("span", short_name(display_name(e)), class_="quiet", title=display_name(e) or None)
    name = el("th", el("a", e.id, href=f"#{e.id}"), " ", short, scope="row")
    merit = None if e.fitness is None else merit_of(e)
    error = el("span", f" ± {e.recall_stderr:.3f}", class_="quiet") if e.recall_stderr is not None else None
    return el(
        "tr",
        _cell(str(scores.rank.get(e.id, "vetoed" if e.vetoed else NO_VALUE)), scores.rank.get(e.id, 10**6)),
        name,
        el("td", e.origin or ""),
        _cell(_unranked(e) if merit is None else figure(merit, 3), merit),
        el("td", bars(e.parts) if e.parts else None, class_="bars"),
        _cell(signed(scores.gain_of(e)), scores.gain_of(e)),
        _cell(figure(e.val_loss, 3), e.val_loss),
        _cell(figure(e.recall, 3), e.recall, error),
        _cell(NO_VALUE if e.parameters is None else f"{e.parameters:,}", e.parameters),
        _cell(figure(e.seconds, 1), e.seconds),
        class_=row_class(scores, e),
    )


def _unranked(experiment: Experiment) -> str:
    """Return the reason that a trained experiment has no fitness yet."""
    return STATUS_WORDS["quarantined"] if experiment.status == "quarantined" else "pending"


def row_class(scores: Scores, experiment: Experiment) -> str | None:
    """Return the style of a row: `best` for the best candidate, `base` for a baseline."""
    return "best" if experiment is scores.best else "base" if is_baseline(experiment) else None


def _cell(text: str, value: float | None, more: Child = None) -> Markup:
    """Return a numeric cell with the value that it sorts by."""
    return el("td", text, more, class_="number", data_value=None if value is None else f"{value:.6g}")


def figure(value: float | None, digits: int) -> str:
    """Return a figure with `digits` decimals, or a dash for None."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """Return a difference with its sign, or a dash for None."""
    return NO_VALUE if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def bars(parts: FitnessParts) -> Markup:
    """Return the three parts of a fitness as bars on a common scale from 0 to 1, with the figures as text."""
    shares = (("loss", parts.loss), ("benchmark", parts.benchmark), ("judge", parts.judge))
    text = ", ".join(f"{name} {share:.3f}" for name, share in shares)
    rects = [
        el("rect", class_=class_, x=i * (_BAR_PIXELS + 6), y=2, width=width, height=10)
        for i, (_, share) in enumerate(shares)
        for class_, width in (("rail", float(_BAR_PIXELS)), ("part", share * _BAR_PIXELS))
    ]
    return el("svg", el("title", text), *rects, role="img", aria_label=text, width=3 * _BAR_PIXELS + 12, height=14)


def experiment_link(experiment: Experiment) -> Markup:
    """Return a link to an experiment: its id, with its name on hover."""
    return el("a", experiment.id, href=f"#{experiment.id}", title=title(experiment))
