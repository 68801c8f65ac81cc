"""Scores over time: every experiment in the order of opening, the running best, and the range of the baselines."""

from bus.vocabulary.queries import Experiment
from dashboard.report import svg
from dashboard.report.markup import Markup, clip, el, join
from dashboard.report.scores import Scores, is_baseline, merit_of, shape, title

_LANE = 26
"""Height in pixels of the lane below the plot, for experiments that ended without a fitness."""


def picture(scores: Scores, width: int) -> Markup:
    """Return the drawing, `width` pixels wide; needs at least one fitness."""
    height = 340 if width == svg.WIDE else 280
    frame = _frame(scores, width, height)
    layers = [
        svg.axes(frame, "order of opening", f"{scores.merit_name} (screening)", x_ticks=width // 90, whole=True),
        _band(scores, frame),
        _lane_name(scores, frame),
        _running_best(scores, frame),
        *(_dot(scores, frame, order, e) for order, e in enumerate(scores.experiments)),
    ]
    return svg.svg(
        f"fitness-{width}", "Scores over time", _describe(scores), (width, height), *layers, fit=svg.fit_class(width)
    )


def _frame(scores: Scores, width: int, height: int) -> svg.PlotFrame:
    """Return the plotting area; the lane for failures is between it and the lower border."""
    lane = _LANE if _has_lane(scores) else 0
    last = max(1, len(scores.experiments) - 1)
    x = svg.AxisScale(-0.03 * last, last * 1.03, 44, width - 14)
    y = svg.scale([merit_of(e) for e in scores.ranked], height - 40 - lane, 30, log=False, pad=0.12)
    return svg.PlotFrame(x, y)


def _has_lane(scores: Scores) -> bool:
    """Return True if any experiment ended without a fitness."""
    return any(e.status in ("failed", "rejected") for e in scores.experiments)


def _lane_name(scores: Scores, frame: svg.PlotFrame) -> Markup | None:
    """Return the label of the lane, if there is a lane."""
    return svg.text_line(0, frame.bottom + _LANE + 28, "no score", class_="hint") if _has_lane(scores) else None


def _band(scores: Scores, frame: svg.PlotFrame) -> Markup:
    """Return the baselines' range as a band, with a line at the best baseline."""
    best = scores.best_baseline
    if best is None:
        return Markup()
    merits = [merit_of(e) for e in scores.baselines if not e.vetoed]
    top, bottom, at = frame.y(max(merits)), frame.y(min(merits)), frame.y(merit_of(best))
    area = el("rect", class_="band", x=frame.left, width=frame.right - frame.left, y=top, height=max(1.0, bottom - top))
    line = el("line", class_="baseline-best", x1=frame.left, x2=frame.right, y1=at, y2=at)
    return join([area, line, svg.text_line(frame.left + 4, at - 5, "best baseline", class_="hint")])


def _running_best(scores: Scores, frame: svg.PlotFrame) -> Markup:
    """Return the staircase of the best candidate so far, extended to the newest experiment."""
    if not scores.running_best:
        return Markup()
    records = [*scores.running_best, (len(scores.experiments) - 1, scores.running_best[-1][1])]
    return svg.path(svg.steps([frame.at(*record) for record in records]), "running-best")


def _dot(scores: Scores, frame: svg.PlotFrame, order: int, experiment: Experiment) -> Markup:
    """Return the mark of one experiment at its fitness, or a cross or bar in the lane; empty for an open experiment."""
    radius = min(5.0, max(2.2, 1.6 * (frame.right - frame.left) / len(scores.experiments)))
    if experiment.fitness is not None:
        at, kind, class_ = frame.at(order, merit_of(experiment)), shape(experiment), "dot"
        class_ += " base" if is_baseline(experiment) else ""
        hover = f"{title(experiment)}: {merit_of(experiment):.3f}"
    elif experiment.status in ("failed", "rejected"):
        at = (frame.x(order), frame.bottom + _LANE + 24)
        kind, class_ = ("cross", "dot bad") if experiment.status == "failed" else ("bar", "dot bad")
        hover = f"{title(experiment)}: {experiment.status}, {clip(experiment.reason, 60)}"
    else:
        return Markup()
    return link(experiment, svg.mark(kind, at, radius, class_, el("title", hover)))


def link(experiment: Experiment, mark: Markup) -> Markup:
    """Return a mark that links to its experiment for the mouse; keyboard users have the links in the tables."""
    return el("a", mark, href=f"#{experiment.id}", tabindex="-1")


def _describe(scores: Scores) -> str:
    """Return the picture as text."""
    sentences = [f"{len(scores.ranked)} experiments with a fitness, {len(scores.baselines)} of them baselines."]
    if scores.best_baseline:
        merits = [merit_of(e) for e in scores.baselines if not e.vetoed]
        low, high = min(merits), max(merits)
        sentences.append(f"The baselines are between {low:.3f} and {high:.3f}.")
    if scores.best:
        sentences.append(f"The best candidate, {scores.best.id}, has {merit_of(scores.best):.3f}.")
    return " ".join(sentences)
