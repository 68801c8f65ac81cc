"""The key to the marks: shapes for origins, colours for fitness, crosses for given up, bars for rejected."""

from dashboard.report import svg
from dashboard.report.markup import Markup, el
from dashboard.report.scores import SHAPES, Scores, is_baseline, merit_of


def legend(scores: Scores, *, colours: bool) -> Markup:
    """Return the key to the marks of this campaign; with `colours`, also the colours of the fitness."""
    rows = [(shape, "dot plain", origin) for origin, shape in SHAPES.items() if origin and _has_origin(scores, origin)]
    statuses = {e.status for e in scores.experiments}
    rows += [("cross", "dot bad", "given up")] if "failed" in statuses else []
    rows += [("bar", "dot bad", "rejected")] if "rejected" in statuses else []
    items = [el("li", _swatch(shape, class_), text) for shape, class_, text in rows]
    return el("ul", *items, _colour_ramp(scores) if colours and scores.ranked else None, class_="legend")


def _has_origin(scores: Scores, origin: str) -> bool:
    if origin == "baseline":
        return any(is_baseline(e) for e in scores.experiments)
    return any(e.origin == origin and not is_baseline(e) for e in scores.experiments)


def _swatch(shape: str, class_: str) -> Markup:
    return el("svg", svg.mark(shape, (8, 8), 5, class_), width=16, height=16, aria_hidden="true")


def _colour_ramp(scores: Scores) -> Markup:
    """Return the five colours, one for each fifth of the experiments, with the lowest and the highest merit."""
    merits = [merit_of(e) for e in scores.ranked]
    low, high = min(merits), max(merits)
    boxes = [el("rect", x=i * 16, y=2, width=15, height=11, class_=f"dot f{i}") for i in range(5)]
    ramp = el("svg", *boxes, width=80, height=16, aria_hidden="true")
    return el("li", f"{scores.merit_name}, by fifths of the ranking: {low:.3f} ", ramp, el("span", f"{high:.3f}"))
