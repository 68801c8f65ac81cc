"""Recall against text loss: one mark for each measured experiment, its area proportional to its parameters."""

from math import sqrt

from bus.vocabulary.queries import Experiment
from dashboard.report import svg
from dashboard.report.fitness import link
from dashboard.report.markup import Markup, el
from dashboard.report.scores import Scores, is_baseline, shape, title

_LARGEST_RADIUS = 8.0
"""Radius in pixels of the largest mark."""
_CROWDED_RADIUS = 4.8
"""Its radius if the marks are closer than `_MARK_SPACE` on average."""
_MARK_SPACE = 20
"""Pixels of the drawing's width for each mark."""
_MAX_WHISKERS = 60
"""Marks up to which each has a whisker; more would hide each other."""


def measured(scores: Scores) -> list[Experiment]:
    """Return the experiments that have a text loss and recall."""
    return [e for e in scores.experiments if e.val_loss is not None and e.recall is not None]


def may_lead(experiment: Experiment) -> bool:
    """Return whether an experiment may be on the front: its figures count, as those of failed or vetoed ones do not."""
    return experiment.status == "analysed" and not experiment.vetoed


def picture(scores: Scores, width: int) -> Markup:
    """Return the drawing, `width` pixels wide; needs at least one measured experiment."""
    height = 420 if width == svg.WIDE else 320
    shown = measured(scores)
    unbeaten = front([e for e in shown if may_lead(e)])
    frame = _frame(shown, width, height)
    radius = _LARGEST_RADIUS if _MARK_SPACE * len(shown) <= width else _CROWDED_RADIUS
    unit = radius / sqrt(max(e.parameters or 1 for e in shown))
    layers = [
        svg.axes(
            frame,
            "text loss, nats per byte (less is better)",
            "recall accuracy (more is better)",
            x_ticks=width // 90,
        ),
        svg.path(svg.steps([frame.at(*_figures(e)) for e in unbeaten]), "front"),
        *(_whisker(frame, e) for e in shown if len(shown) <= _MAX_WHISKERS),
        *(_dot(scores, frame, e, unit) for e in sorted(shown, key=is_baseline, reverse=True)),
        *(_name(frame, e) for e in (scores.best, scores.best_baseline) if e in shown and width == svg.WIDE),
    ]
    ids = ", ".join(e.id for e in unbeaten)
    best = f"No other analysed one beats these in both figures: {ids}." if ids else "None is analysed."
    text = f"{len(shown)} experiments. {best}"
    return svg.svg(
        f"tradeoff-{width}", "Recall and text loss", text, (width, height), *layers, fit=svg.fit_class(width)
    )


def _figures(experiment: Experiment) -> svg.Point:
    """Return text loss, nats per byte, and recall."""
    assert experiment.val_loss is not None, f"{experiment.id} is not measured"
    assert experiment.recall is not None, f"{experiment.id} is not measured"
    return experiment.val_loss, experiment.recall


def _frame(shown: list[Experiment], width: int, height: int) -> svg.PlotFrame:
    """Return linear axes around all marks."""
    x = svg.scale([_figures(e)[0] for e in shown], 48, width - 20, log=False, pad=0.1)
    y = svg.scale([_figures(e)[1] for e in shown], height - 44, 32, log=False, pad=0.1)
    return svg.PlotFrame(x, y)


def front(experiments: list[Experiment]) -> list[Experiment]:
    """Return the Pareto front by ascending text loss: no other experiment is as good in both figures."""
    best: list[Experiment] = []
    for experiment in sorted(experiments, key=lambda e: (_figures(e)[0], -_figures(e)[1])):
        if not best or _figures(experiment)[1] > _figures(best[-1])[1]:
            best.append(experiment)
    return best


def _dot(scores: Scores, frame: svg.PlotFrame, experiment: Experiment, unit: float) -> Markup:
    """Return one experiment's mark, its area proportional to its parameters; `unit` is the radius of one parameter."""
    radius = max(1.5, unit * sqrt(experiment.parameters or 1))
    loss, recall = _figures(experiment)
    figures = f"text loss {loss:.3f} nats per byte, recall {recall:.3f}, {experiment.parameters or 0:,} parameters"
    hover = f"{title(experiment)}: {figures}"
    class_ = "dot base" if is_baseline(experiment) else f"dot {scores.colour_class(experiment)}"
    return link(experiment, svg.mark(shape(experiment), frame.at(loss, recall), radius, class_, el("title", hover)))


def _whisker(frame: svg.PlotFrame, experiment: Experiment) -> Markup:
    """Return the line of one standard error of recall to both sides."""
    loss, recall = _figures(experiment)
    error = experiment.recall_stderr or 0.0
    x = frame.x(loss)
    return el("line", class_="whisker", x1=x, x2=x, y1=frame.y(recall - error), y2=frame.y(recall + error))


def _name(frame: svg.PlotFrame, experiment: Experiment) -> Markup:
    """Return an id above its mark, shifted to the side that has space."""
    x, y = frame.at(*_figures(experiment))
    anchor = "start" if x < frame.left + 40 else "end" if x > frame.right - 40 else "middle"
    return svg.text_line(x, y - 13, experiment.id, class_="name", anchor=anchor)
