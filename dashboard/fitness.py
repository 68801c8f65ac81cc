"""Fitness over time: every experiment where it was opened, the running best, and the band the baselines lie in."""

from bus.vocabulary.queries import Experiment
from dashboard import svg
from dashboard.markup import Markup, clip, el, join
from dashboard.scores import Scores, fitness_of, is_baseline, shape, title

_LANE = 26
"""Height in pixels of the lane below the plot for experiments that have no fitness."""


def picture(scores: Scores, width: int) -> Markup:
    """Return the drawing, `width` pixels wide; there has to be at least one fitness."""
    height = 340 if width == svg.WIDE else 280
    frame = _frame(scores, width, height)
    layers = [
        svg.axes(frame, "order of opening", "fitness (screening score)", x_ticks=width // 90, whole=True),
        _band(scores, frame),
        _lane_name(scores, frame),
        _running_best(scores, frame),
        *(_dot(scores, frame, place, e) for place, e in enumerate(scores.experiments)),
    ]
    return svg.svg(
        f"fitness-{width}", "Fitness over time", _describe(scores), (width, height), *layers, fit=svg.page(width)
    )


def _frame(scores: Scores, width: int, height: int) -> svg.PlotFrame:
    """Return the plotting area; the lane for failures lies between it and the lower border."""
    lane = _LANE if _lost(scores) else 0
    last = max(1, len(scores.experiments) - 1)
    x = svg.AxisScale(-0.03 * last, last * 1.03, 44, width - 14)
    y = svg.scale([fitness_of(e) for e in scores.ranked], height - 40 - lane, 30, log=False, pad=0.12)
    return svg.PlotFrame(x, y)


def _lost(scores: Scores) -> bool:
    """Whether any experiment ended without a fitness."""
    return any(e.status in ("failed", "rejected") for e in scores.experiments)


def _lane_name(scores: Scores, frame: svg.PlotFrame) -> Markup | None:
    """Return the name of the lane for those without a fitness, where there is one."""
    return svg.words(0, frame.bottom + _LANE + 28, "no score", class_="hint") if _lost(scores) else None


def _band(scores: Scores, frame: svg.PlotFrame) -> Markup:
    """Return the baselines' range as a band, with a line at the best of them."""
    if not scores.baselines:
        return Markup()
    top, bottom = frame.y(fitness_of(scores.baselines[0])), frame.y(fitness_of(scores.baselines[-1]))
    area = el("rect", class_="band", x=frame.left, width=frame.right - frame.left, y=top, height=max(1.0, bottom - top))
    line = el("line", class_="baseline-best", x1=frame.left, x2=frame.right, y1=top, y2=top)
    return join([area, line, svg.words(frame.left + 4, top - 5, "best baseline", class_="hint")])


def _running_best(scores: Scores, frame: svg.PlotFrame) -> Markup:
    """Return the staircase of the best candidate so far, carried on to the newest experiment."""
    if not scores.running_best:
        return Markup()
    records = [*scores.running_best, (len(scores.experiments) - 1, scores.running_best[-1][1])]
    return svg.path(svg.steps([frame.at(*record) for record in records]), "running-best")


def _dot(scores: Scores, frame: svg.PlotFrame, place: int, experiment: Experiment) -> Markup:
    """Return the mark of one experiment: its fitness, or a cross or bar in the lane; nothing while it is under way."""
    radius = min(5.0, max(2.2, 1.6 * (frame.right - frame.left) / len(scores.experiments)))
    if experiment.fitness is not None:
        at, kind, class_ = frame.at(place, experiment.fitness), shape(experiment), "dot"
        class_ += " base" if is_baseline(experiment) else ""
        words = f"{title(experiment)}: {experiment.fitness:.3f}"
    elif experiment.status in ("failed", "rejected"):
        at = (frame.x(place), frame.bottom + _LANE + 24)
        kind, class_ = ("cross", "dot bad") if experiment.status == "failed" else ("bar", "dot bad")
        words = f"{title(experiment)}: {experiment.status}, {clip(experiment.reason, 60)}"
    else:
        return Markup()
    return link(experiment, svg.mark(kind, at, radius, class_, el("title", words)))


def link(experiment: Experiment, drawn: Markup) -> Markup:
    """Return a mark that leads to its experiment by mouse; the tables lead there by keyboard, in fewer stops."""
    return el("a", drawn, href=f"#{experiment.id}", tabindex="-1")


def _describe(scores: Scores) -> str:
    """Return the picture in words."""
    said = [f"{len(scores.ranked)} experiments with a fitness, {len(scores.baselines)} of them baselines."]
    if scores.baselines:
        low, high = fitness_of(scores.baselines[-1]), fitness_of(scores.baselines[0])
        said.append(f"The baselines lie between {low:.3f} and {high:.3f}.")
    if scores.best:
        said.append(f"The best candidate, {scores.best.id}, has {fitness_of(scores.best):.3f}.")
    return " ".join(said)
