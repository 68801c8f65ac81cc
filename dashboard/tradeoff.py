"""Recall against bits per byte, the two things an architecture is asked for, with its parameters as the mark's area."""

from math import sqrt

from bus.vocabulary.queries import Experiment
from dashboard import svg
from dashboard.fitness import link
from dashboard.markup import Markup, el
from dashboard.scores import Scores, is_baseline, shape, title

_RADIUS = 8.0
"""Radius in pixels of the largest mark."""


def measured(scores: Scores) -> list[Experiment]:
    """Return the experiments that have both figures."""
    return [e for e in scores.experiments if e.bits_per_byte is not None and e.recall is not None]


def picture(scores: Scores, width: int) -> Markup:
    """Return the drawing, `width` pixels wide; at least one experiment has to be measured."""
    height = 420 if width == svg.WIDE else 320
    found = measured(scores)
    frame = _frame(found, width, height)
    largest = max(e.parameters or 1 for e in found)
    crowd = 1.0 if 20 * len(found) <= width else 0.6
    layers = [
        svg.axes(
            frame,
            "bits per byte of held-out text (less is better)",
            "recall accuracy (more is better)",
            x_ticks=width // 90,
        ),
        svg.path(svg.steps([frame.at(*point) for point in _front(found)]), "front"),
        *(_whisker(frame, e) for e in found if len(found) <= 60),
        *(
            _dot(scores, frame, e, _RADIUS * crowd / sqrt(largest))
            for e in sorted(found, key=is_baseline, reverse=True)
        ),
        *(_name(frame, e) for e in _named(scores, found) if width == svg.WIDE),
    ]
    words = f"{len(found)} experiments. On the front, where neither figure can be had better: {_front_ids(found)}."
    return svg.svg(
        f"tradeoff-{width}", "Recall and bits per byte", words, (width, height), *layers, fit=svg.page(width)
    )


def _figures(experiment: Experiment) -> svg.Point:
    """Return bits per byte and recall."""
    assert experiment.bits_per_byte is not None, f"{experiment.id} is not measured"
    assert experiment.recall is not None, f"{experiment.id} is not measured"
    return experiment.bits_per_byte, experiment.recall


def _frame(found: list[Experiment], width: int, height: int) -> svg.PlotFrame:
    """Return linear axes around all marks."""
    x = svg.scale([_figures(e)[0] for e in found], 48, width - 20, log=False, pad=0.1)
    y = svg.scale([_figures(e)[1] for e in found], height - 44, 32, log=False, pad=0.1)
    return svg.PlotFrame(x, y)


def front(found: list[Experiment]) -> list[Experiment]:
    """Return the experiments that no other one beats in one figure without losing in the other, by bits per byte."""
    best: list[Experiment] = []
    for experiment in sorted(found, key=lambda e: (_figures(e)[0], -_figures(e)[1])):
        if not best or _figures(experiment)[1] > _figures(best[-1])[1]:
            best.append(experiment)
    return best


def _front(found: list[Experiment]) -> list[svg.Point]:
    """Return the front's figures."""
    return [_figures(e) for e in front(found)]


def _front_ids(found: list[Experiment]) -> str:
    """Return the front's ids in words."""
    return ", ".join(e.id for e in front(found))


def _dot(scores: Scores, frame: svg.PlotFrame, experiment: Experiment, unit: float) -> Markup:
    """Return one experiment's mark, its area in proportion to its parameters; `unit` is the radius of one."""
    radius = max(1.5, unit * sqrt(experiment.parameters or 1))
    bits, recall = _figures(experiment)
    words = (
        f"{title(experiment)}: {bits:.3f} bits per byte, recall {recall:.3f}, {experiment.parameters or 0:,} parameters"
    )
    class_ = "dot base" if is_baseline(experiment) else f"dot {scores.bin(experiment)}"
    return link(experiment, svg.mark(shape(experiment), frame.at(bits, recall), radius, class_, el("title", words)))


def _whisker(frame: svg.PlotFrame, experiment: Experiment) -> Markup:
    """Return one standard error of recall to both sides."""
    bits, recall = _figures(experiment)
    error = experiment.recall_stderr or 0.0
    x = frame.x(bits)
    return el("line", class_="whisker", x1=x, x2=x, y1=frame.y(recall - error), y2=frame.y(recall + error))


def _named(scores: Scores, found: list[Experiment]) -> list[Experiment]:
    """Return the few that are called by name: the best candidate and the best baseline."""
    return [e for e in (scores.best, scores.best_baseline) if e and e in found]


def _name(frame: svg.PlotFrame, experiment: Experiment) -> Markup:
    """Return an id beside its mark, on the side where there is room."""
    x, y = frame.at(*_figures(experiment))
    anchor = "start" if x < frame.left + 40 else "end" if x > frame.right - 40 else "middle"
    return svg.words(x, y - 13, experiment.id, class_="name", anchor=anchor)
