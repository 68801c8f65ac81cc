"""Loss curves, one small picture for each task: candidates in colour, baselines in grey behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard.names import label
from dashboard.report import svg
from dashboard.report.markup import Markup, clip, el, join
from dashboard.report.scores import Scores, merit_of

MAX_COLOURED_CURVES = 5
"""Candidates drawn in colour."""
MAX_POINTS = 120
"""Points of one drawn curve."""
_WIDTH, _HEIGHT = 480, 300

Line = Sequence[svg.Point]
"""(step, loss) in order of steps."""


@dataclass(frozen=True, slots=True)
class LossCurves:
    """The loss curves of one experiment, over all its tasks."""

    id: str
    """Id of the experiment."""
    title: str
    points: Sequence[CurvePoint]
    merit: float | None = None

    @property
    def label(self) -> str:
        """The title, with what it is ranked by if that is known."""
        return self.title + (f" ({self.merit:.3f})" if self.merit is not None else "")


def curves_of(experiments: Sequence[Experiment]) -> list[LossCurves]:
    """Return the curves of the experiments that have any."""
    merits = {e.id: None if e.fitness is None else merit_of(e) for e in experiments}
    return [LossCurves(e.id, label(e.id, e.name), e.curve, merits[e.id]) for e in experiments if e.curve]


def task_names(curves: Iterable[LossCurves]) -> list[str]:
    """Return the tasks that have curves, in the order they first appear."""
    return list(dict.fromkeys(point.task for each in curves for point in each.points))


def loss_line(curve: Sequence[CurvePoint], task: str) -> list[svg.Point]:
    """Return (step, loss) of one task in order of steps, at most `MAX_POINTS`, always with the last point."""
    points = sorted((p.step, p.loss) for p in curve if p.task == task)
    stride = max(1, ceil(len(points) / MAX_POINTS))
    thinned = points[::-1][::stride][::-1]  # counted from the end, so that the last point stays
    return [(float(step), loss) for step, loss in thinned]


def coloured_candidates(scores: Scores) -> list[LossCurves]:
    """Return the candidates to draw in colour: the best ones that have a curve."""
    return curves_of(scores.candidates)[:MAX_COLOURED_CURVES]


def pictures(grey: Sequence[LossCurves], coloured: Sequence[LossCurves], name: str = "curve") -> Markup:
    """Return a legend and one picture for each task, empty if there is no curve.

    `grey` are baselines; `coloured` are at most `MAX_COLOURED_CURVES`. `name` begins the pictures' ids and has to be
    unique in a page.
    """
    names = task_names([*grey, *coloured])
    drawings = [_picture(f"{name}-{number}", task, grey, coloured) for number, task in enumerate(names)]
    return join([legend(grey, coloured), el("div", *drawings, class_="multiples")]) if drawings else Markup()


def legend(grey: Sequence[LossCurves], coloured: Sequence[LossCurves]) -> Markup:
    """Return the key to the lines; each candidate has its own dash as well as its own colour."""
    rows = [("c-grey", f"{len(grey)} baselines" if len(grey) != 1 else "1 baseline", None)] if grey else []
    rows += [(f"c{i}", e.label, f"#{e.id}") for i, e in enumerate(coloured)]
    return el(
        "ul",
        *(el("li", _swatch(class_), el("a", text, href=href) if href else text) for class_, text, href in rows),
        class_="legend",
    )


def _swatch(class_: str) -> Markup:
    """Return a short sample of a line."""
    line = el("line", class_=f"curve {class_}", x1=0, x2=30, y1=6, y2=6)
    return el("svg", line, width=30, height=12, aria_hidden="true")


def _picture(name: str, task: str, grey: Sequence[LossCurves], coloured: Sequence[LossCurves]) -> Markup:
    """Return one task's picture."""
    grey_lines = {e.id: loss_line(e.points, task) for e in grey}
    coloured_lines = {e.id: loss_line(e.points, task) for e in coloured}
    frame = _frame([*grey_lines.values(), *coloured_lines.values()])
    lines = [_line(frame, e, grey_lines[e.id], "c-grey") for e in grey]
    lines += [_line(frame, e, coloured_lines[e.id], f"c{i}") for i, e in reversed(list(enumerate(coloured)))]
    drawing = svg.svg(
        name,
        f"Training loss, task {clip(task, 40)}",
        _describe(task, grey_lines, coloured_lines),
        (_WIDTH, _HEIGHT),
        svg.axes(frame, "training step" + _log_note(frame.x), "loss, nats per target" + _log_note(frame.y), x_ticks=6),
        *lines,
    )
    return el("figure", el("h3", clip(task, 40)), drawing)


def _frame(lines: Sequence[Line]) -> svg.PlotFrame:
    """Return axes for all lines; steps are logarithmic if `falls_early`, losses if they span a wide range."""
    points = [point for line in lines for point in line]
    x = svg.scale([step for step, _ in points], 48, _WIDTH - 16, log=falls_early(lines))
    y = svg.scale([loss for _, loss in points], _HEIGHT - 44, 32, pad=0.05)
    return svg.PlotFrame(x, y)


def falls_early(lines: Sequence[Line]) -> bool:
    """Return True if most lines make half of their fall in a tenth of their steps, which a linear axis would hide."""
    return 2 * sum(map(_line_falls_early, lines)) > len(lines)


def _line_falls_early(line: Line) -> bool:
    early = [loss for step, loss in line if step <= line[-1][0] / 10]
    if not early:
        return False
    first, last = line[0][1], line[-1][1]
    return first > last and early[-1] <= (first + last) / 2


def _log_note(scale: svg.AxisScale) -> str:
    return " (log)" if scale.log else ""


def _line(frame: svg.PlotFrame, curves: LossCurves, line: Line, class_: str) -> Markup:
    """Return one curve; a curve of one point is a mark."""
    hover = el("title", f"{curves.title}: ends at {line[-1][1]:.4g}") if line else None
    if len(line) == 1:
        return svg.mark("circle", frame.at(*line[0]), 2.5, f"curve {class_}", hover)
    return el("g", hover, svg.path([frame.at(*point) for point in line], f"curve {class_}"))


def _describe(task: str, grey: Mapping[str, Line], coloured: Mapping[str, Line]) -> str:
    """Return the picture as text: the last losses of the baselines and of each candidate."""
    last = [line[-1][1] for line in grey.values() if line]
    sentences = [f"Training loss on {clip(task, 40)} against training steps."]
    sentences += [f"Baselines end between {min(last):.4g} and {max(last):.4g}."] if last else []
    sentences += [f"{name} ends at {line[-1][1]:.4g}." for name, line in coloured.items() if line]
    return " ".join(sentences)
