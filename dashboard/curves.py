"""Loss curves, one small picture a task: some in colour, others in grey behind them, axes that suit the range."""

from collections.abc import Mapping, Sequence

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard import svg
from dashboard.markup import Markup, clip, el, join
from dashboard.scores import Scores, title

MAX_COLOURED_CURVES = 5
"""Candidates drawn in colour."""
MAX_POINTS = 120
"""Points kept of one curve."""
_WIDTH, _HEIGHT = 480, 300

Line = Sequence[svg.Point]


def tasks(experiments: Sequence[Experiment]) -> list[str]:
    """Return the tasks that have curves, in the order they first appear."""
    return list(dict.fromkeys(point.task for e in experiments for point in e.curve))


def line_of(curve: Sequence[CurvePoint], task: str) -> list[svg.Point]:
    """Return (step, loss) of one task in order of steps, thinned to `MOST_POINTS`, its last point always kept."""
    points = sorted((p.step, p.loss) for p in curve if p.task == task)
    stride = -(-len(points) // MAX_POINTS) or 1
    return [(float(step), loss) for step, loss in points[::-1][::stride][::-1]]


def shown(scores: Scores) -> list[Experiment]:
    """Return the candidates drawn in colour: the best that have a curve."""
    return [e for e in scores.candidates if e.curve][:MAX_COLOURED_CURVES]


def pictures(grey: Sequence[Experiment], coloured: Sequence[Experiment], name: str = "curve") -> Markup:
    """Return a legend and one picture a task, or nothing where none has a curve; at most `SHOWN` can have a colour.

    `grey` are baselines; `name` begins the pictures' names, which are unique in a page.
    """
    grey = [e for e in grey if e.curve]
    names = tasks([*grey, *coloured])
    drawn = [_picture(f"{name}-{place}", task, grey, coloured) for place, task in enumerate(names)]
    return join([legend(grey, coloured), el("div", *drawn, class_="multiples")]) if drawn else Markup()


def legend(grey: Sequence[Experiment], coloured: Sequence[Experiment]) -> Markup:
    """Return what the lines stand for; each candidate has its own dash as well as its own colour."""
    rows = [("c-grey", f"{len(grey)} baselines" if len(grey) != 1 else "1 baseline", None)] if grey else []
    rows += [(f"c{i}", _words(e), f"#{e.id}") for i, e in enumerate(coloured)]
    return el(
        "ul",
        *(el("li", _swatch(class_), el("a", words, href=to) if to else words) for class_, words, to in rows),
        class_="legend",
    )


def _words(experiment: Experiment) -> str:
    """Return its title, with its fitness once there is one."""
    return title(experiment) + (f" ({experiment.fitness:.3f})" if experiment.fitness is not None else "")


def _swatch(class_: str) -> Markup:
    """Return a short piece of a line."""
    line = el("line", class_=f"curve {class_}", x1=0, x2=30, y1=6, y2=6)
    return el("svg", line, width=30, height=12, aria_hidden="true")


def _picture(name: str, task: str, grey: Sequence[Experiment], coloured: Sequence[Experiment]) -> Markup:
    """Return one task's picture."""
    faint = {e.id: line_of(e.curve, task) for e in grey}
    bright = {e.id: line_of(e.curve, task) for e in coloured}
    frame = _frame([*faint.values(), *bright.values()])
    lines = [_line(frame, e, faint[e.id], "c-grey") for e in grey]
    lines += [_line(frame, e, bright[e.id], f"c{i}") for i, e in reversed(list(enumerate(coloured)))]
    ends = _describe(task, faint, bright)
    drawing = svg.svg(
        name,
        f"Training loss, task {clip(task, 40)}",
        ends,
        (_WIDTH, _HEIGHT),
        svg.axes(frame, "training step" + _log(frame.x), "loss, nats per target" + _log(frame.y), x_ticks=6),
        *lines,
    )
    return el("figure", el("h3", clip(task, 40)), drawing)


def _frame(lines: Sequence[Line]) -> svg.PlotFrame:
    """Return axes for all lines: steps as `falls_early` says, losses logarithmic where they span a wide range."""
    points = [point for line in lines for point in line]
    x = svg.scale([step for step, _ in points], 48, _WIDTH - 16, log=falls_early(lines))
    y = svg.scale([loss for _, loss in points], _HEIGHT - 44, 32, pad=0.05)
    return svg.PlotFrame(x, y)


def falls_early(lines: Sequence[Line]) -> bool:
    """Whether most lines do half of their fall in the first tenth of their steps, which a linear axis would hide."""
    early = 0
    for line in lines:
        last = [loss for step, loss in line if step <= line[-1][0] / 10][-1:]
        early += bool(last) and line[0][1] > line[-1][1] and last[0] <= (line[0][1] + line[-1][1]) / 2
    return 2 * early > len(lines)


def _log(scale: svg.AxisScale) -> str:
    """Return the remark that an axis is logarithmic."""
    return " (log)" if scale.log else ""


def _line(frame: svg.PlotFrame, experiment: Experiment, line: Line, class_: str) -> Markup:
    """Return one curve; a mark at its only point where it has just one."""
    hover = el("title", f"{title(experiment)}: ends at {line[-1][1]:.4g}") if line else None
    if len(line) == 1:
        return svg.mark("circle", frame.at(*line[0]), 2.5, f"curve {class_}", hover)
    return el("g", hover, svg.path([frame.at(*point) for point in line], f"curve {class_}"))


def _describe(task: str, faint: Mapping[str, Line], bright: Mapping[str, Line]) -> str:
    """Return the picture in words: where the baselines and each candidate end."""
    last = [line[-1][1] for line in faint.values() if line]
    said = [f"Training loss on {clip(task, 40)} against training steps."]
    said += [f"Baselines end between {min(last):.4g} and {max(last):.4g}."] if last else []
    said += [f"{name} ends at {line[-1][1]:.4g}." for name, line in bright.items() if line]
    return " ".join(said)
