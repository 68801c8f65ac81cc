"""SVG pictures as markup, from pure functions: scales, ticks, axes, paths and marks.

Sizes are CSS pixels for a given width. Colours are classes, which the style sheet defines for light and dark. An
`AxisScale` maps data to pixels, linear or logarithmic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10

from dashboard.report.markup import Child, Markup, el, join, number

WIDE, NARROW = 1080, 360
"""Widths in pixels of the two drawings of a picture, for desktops and for phones."""
_LOG_RATIO = 6.0
"""Ratio of the highest to the lowest value from which an axis is logarithmic."""

Point = tuple[float, float]


def fit_class(width: int) -> str:
    """Return the class of a drawing of this width: `wide` or `narrow`."""
    return "wide" if width == WIDE else "narrow"


@dataclass(frozen=True, slots=True)
class AxisScale:
    """A map from data [low, high] to pixels [start, end]; values outside are clamped."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        clamped = min(max(value, self.low), self.high)
        if self.log:
            share = log10(clamped / self.low) / log10(self.high / self.low)
        else:
            share = (clamped - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """Return round values within the domain, about `about` of them."""
        return _log_ticks(self.low, self.high, about) if self.log else linear_ticks(self.low, self.high, about)


def scale(values: Iterable[float], start: float, end: float, *, log: bool | None = None, pad: float = 0.0) -> AxisScale:
    """Return a scale whose domain has the finite values; with `log` None it is logarithmic if their range is wide.

    `pad` widens a linear domain by that share on both sides. A logarithmic domain is chosen from the positive values.
    """
    finite = [v for v in values if isfinite(v)]
    positive = [v for v in finite if v > 0]
    if log is None:
        log = bool(positive) and max(positive) / min(positive) >= _LOG_RATIO
    if log and positive:
        low, high = min(positive), max(positive)
        if high == low:
            low, high = low / 2, high * 2
        return AxisScale(low, high, start, end, log=True)
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    room = (high - low) * pad if high > low else abs(high) * 0.1 or 0.5
    return AxisScale(low - room, high + room, start, end)


def linear_ticks(low: float, high: float, about: int) -> list[float]:
    """Return multiples of 1, 2, 2.5 or 5 times a power of ten within [low, high]."""
    rough = (high - low) / max(1, about)
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    return [round(i * step, 12) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    """Return powers of ten within [low, high], with multiples of them if there are few decades."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for multiples in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**d for d in decades for m in multiples if low * 0.999 <= m * 10.0**d <= high * 1.001]
        if len(ticks) <= about:
            break
    thinned = ticks[:: max(1, ceil(len(ticks) / about))]
    return thinned if len(thinned) > 1 else linear_ticks(low, high, about)


def label(value: float) -> str:
    """Return a tick's label: `0.25`, `40`, `1.2k`, `3M`."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class PlotFrame:
    """The plotting area and its two scales."""

    x: AxisScale
    y: AxisScale

    @property
    def left(self) -> float:
        """Left border in pixels."""
        return self.x.start

    @property
    def right(self) -> float:
        """Right border in pixels."""
        return self.x.end

    @property
    def top(self) -> float:
        """Upper border in pixels."""
        return self.y.end

    @property
    def bottom(self) -> float:
        """Lower border in pixels."""
        return self.y.start

    def at(self, x: float, y: float) -> Point:
        """Return the pixels of a pair of values."""
        return self.x(x), self.y(y)


def axes(
    frame: PlotFrame, x_title: str, y_title: str, *, x_ticks: int = 6, y_ticks: int = 5, whole: bool = False
) -> Markup:
    """Return grid lines, tick labels and both titles; the y title is horizontal, above the axis.

    `whole` is for an x axis of whole numbers: it leaves out the ticks between them.
    """
    rows = [_row(frame, value) for value in frame.y.ticks(y_ticks)]
    columns = [_column(frame, value) for value in frame.x.ticks(x_ticks) if not whole or value == int(value)]
    base = el("line", class_="axis", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom)
    titles = [
        text_line(frame.left, frame.top - 10, y_title, class_="title"),
        text_line(frame.right, frame.bottom + 32, x_title, class_="title", anchor="end"),
    ]
    return el("g", *rows, *columns, base, *titles, class_="axes")


def _row(frame: PlotFrame, value: float) -> Markup:
    """Return a horizontal grid line with its label."""
    y = frame.y(value)
    line = el("line", class_="grid", x1=frame.left, x2=frame.right, y1=y, y2=y)
    return join([line, text_line(frame.left - 6, y + 4, label(value), anchor="end")])


def _column(frame: PlotFrame, value: float) -> Markup:
    """Return a tick of the x axis with its label."""
    x = frame.x(value)
    line = el("line", class_="axis", x1=x, x2=x, y1=frame.bottom, y2=frame.bottom + 4)
    return join([line, text_line(x, frame.bottom + 17, label(value), anchor="middle")])


def text_line(x: float, y: float, text: str, *, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Return a line of text whose baseline is at y."""
    return el("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def path(points: Sequence[Point], class_: str) -> Markup:
    """Return the open line through the points, empty if there is no point."""
    if not points:
        return Markup()
    return el("path", d=f"M{'L'.join(f'{number(x)} {number(y)}' for x, y in points)}", class_=class_)


def steps(points: Sequence[Point]) -> list[Point]:
    """Return the points of a staircase that keeps each height until the next point."""
    return [p for a, b in pairwise(points) for p in (a, (b[0], a[1]))] + list(points[-1:])


def edge(a: Point, b: Point, class_: str) -> Markup:
    """Return the curve of an edge that is horizontal at both ends."""
    middle = number((a[0] + b[0]) / 2)
    ends = [number(v) for v in (*a, *b)]
    return el(
        "path", d=f"M{ends[0]} {ends[1]}C{middle} {ends[1]} {middle} {ends[3]} {ends[2]} {ends[3]}", class_=class_
    )


def mark(shape: str, at: Point, radius: float, class_: str, *children: Child) -> Markup:
    """Return a mark: circle, square, diamond, triangle, cross or bar, all of about the same area."""
    x, y = at
    if shape == "circle":
        return el("circle", *children, cx=x, cy=y, r=radius, class_=class_)
    corners = {
        "square": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
        "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
        "triangle": [(0, -1.25), (1.2, 0.9), (-1.2, 0.9)],
    }
    if shape in corners:
        return el("path", *children, d=_through(at, radius, corners[shape]) + "Z", class_=class_)
    strokes = {"cross": [[(-1, -1), (1, 1)], [(-1, 1), (1, -1)]], "bar": [[(-1.1, 0), (1.1, 0)]]}
    return el("path", *children, d="".join(_through(at, radius, s) for s in strokes[shape]), class_=f"{class_} stroke")


def _through(at: Point, radius: float, corners: Sequence[Point]) -> str:
    """Return path data through corners, which are in units of the radius around a centre."""
    return "M" + "L".join(f"{number(at[0] + radius * dx)} {number(at[1] + radius * dy)}" for dx, dy in corners)


def svg(
    name: str, title: str, description: str, size: tuple[float, float], *children: Child, fit: str | None = None
) -> Markup:
    """Return a whole picture with its title and, for screen readers, a description; `name` is unique in the page.

    `fit` is `wide` or `narrow` if the picture has two drawings, of which the style sheet shows one.
    """
    width, height = size
    return el(
        "svg",
        el("title", title, id=f"{name}-title"),
        el("desc", description, id=f"{name}-desc"),
        *children,
        role="img",
        class_=fit,
        aria_labelledby=f"{name}-title {name}-desc",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=float(width),
        height=float(height),
    )
