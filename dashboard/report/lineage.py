"""The lineage: parents on the left, children on the right, each coloured by its fitness.

In a small campaign each experiment has its own row. In a large one the childless children of one parent are drawn in a
block, so that five hundred experiments fit a screen and longer branches stay visible.
Parents are opened before their children. So one backward pass gives the heights and one forward pass the positions,
without recursion.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from bus.vocabulary.queries import Experiment
from bus.wire.ids import BASELINE_PREFIX
from dashboard import names
from dashboard.report import svg
from dashboard.report.fitness import link
from dashboard.report.markup import Markup, el
from dashboard.report.scores import STATUS_WORDS, Scores, is_baseline, shape, title

MAX_LABELLED_EXPERIMENTS = 60
"""Up to so many experiments, each has its own row and a label."""
_ROOT = ""
"""Key of the parent of experiments that have none; it is not drawn."""
_MARGIN = 14
_MIN_COLUMN_PIXELS = 54.0
"""Smallest distance of two generations."""
_LETTER_PIXELS = 6.4
"""Approximate width of a letter in a label."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The space of one childless experiment in pixels, and how many are drawn side by side in a block."""

    width: float
    height: float
    per_row: int
    radius: float

    @property
    def has_own_row(self) -> bool:
        """True if each experiment has its own row, with a label and an edge."""
        return self.width == 0.0


@dataclass(frozen=True, slots=True)
class TreeLayout:
    """The positions of all marks and edges, in pixels."""

    positions: dict[str, svg.Point]
    """Centre of each experiment's mark."""
    edges: tuple[tuple[str, str, svg.Point], ...]
    """Parent, child and the end of their edge; a block has one edge, to its first experiment."""
    cell: Cell
    column: float
    """Distance of two generations."""
    size: tuple[float, float]
    """Width and height of the whole picture."""


def picture(scores: Scores, width: int) -> Markup:
    """Return the tree, `width` pixels wide, wider if its generations need more, and as high as needed."""
    plan = layout(scores, width)
    line = scores.ancestors(scores.best) if scores.best else []
    labelled = {e.id for e in scores.experiments} if plan.cell.has_own_row else set(line)
    return svg.svg(
        f"lineage-{width}",
        "Lineage",
        _describe(scores, line),
        plan.size,
        *(svg.edge(plan.positions[a], to, "edge line" if b in line else "edge") for a, b, to in plan.edges),
        *(_node(scores, plan, e, best=e is scores.best) for e in scores.experiments),
        *(_label(scores, plan, e) for e in scores.experiments if e.id in labelled),
        fit=svg.fit_class(width) if plan.cell.has_own_row else None,
    )


def pictures(scores: Scores) -> list[Markup]:
    """Return a drawing for a wide and one for a narrow page; a large campaign has one, which a narrow page scrolls."""
    widths = (svg.WIDE, svg.NARROW) if len(scores.experiments) <= MAX_LABELLED_EXPERIMENTS else (svg.WIDE,)
    return [picture(scores, width) for width in widths]


def layout(scores: Scores, width: int) -> TreeLayout:
    """Return the positions of all experiments: columns by generation, rows by order of opening."""
    order = [e.id for e in scores.experiments]
    children: dict[str, list[str]] = defaultdict(list)
    generation = {_ROOT: -1}
    for name in order:
        parent = scores.parent.get(name, _ROOT)
        children[parent].append(name)
        generation[name] = generation[parent] + 1
    columns = max(generation.values()) + 1
    column = max(_MIN_COLUMN_PIXELS, (width - 2 * _MARGIN) / columns)
    cell = _cell(len(order), column)
    heights = _heights(order, children, cell)
    positions, edges = _place(order, children, generation, heights, cell, column)
    return TreeLayout(positions, edges, cell, column, (columns * column + 2 * _MARGIN, heights[_ROOT] + 2 * _MARGIN))


def _cell(experiments: int, column: float) -> Cell:
    """Return the space of a childless experiment: a labelled row, or a dot in a block."""
    if experiments <= MAX_LABELLED_EXPERIMENTS:
        return Cell(0.0, 22.0, 1, 5.5)
    return Cell(8.0, 8.0, max(1, int((column - 18) / 8.0)), 3.2)


def _split(names: Sequence[str], children: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """Return the names with children, and the names without."""
    return [n for n in names if n in children], [n for n in names if n not in children]


def _heights(order: Sequence[str], children: dict[str, list[str]], cell: Cell) -> dict[str, float]:
    """Return the height of the subtree of each experiment that has children, and of the root."""
    heights: dict[str, float] = {}
    for name in (*reversed(order), _ROOT):
        if name in children or name == _ROOT:
            inner, leaves = _split(children.get(name, []), children)
            block = ceil(len(leaves) / cell.per_row) * cell.height
            heights[name] = max(cell.height, sum(heights[n] for n in inner) + block)
    return heights


def _place(
    order: Sequence[str],
    children: dict[str, list[str]],
    generation: dict[str, int],
    heights: dict[str, float],
    cell: Cell,
    column: float,
) -> tuple[dict[str, svg.Point], tuple[tuple[str, str, svg.Point], ...]]:
    """Return positions and edges: for each parent first the children with children, then the block of the others."""
    positions: dict[str, svg.Point] = {}
    edges: list[tuple[str, str, svg.Point]] = []
    tops = {_ROOT: float(_MARGIN)}
    for name in (_ROOT, *order):
        if name not in children:
            continue
        x, y = _MARGIN + (generation[name] + 1) * column, tops[name]
        inner, leaves = _split(children[name], children)
        for branch in inner:
            tops[branch], positions[branch] = y, (x, y + heights[branch] / 2)
            y += heights[branch]
        for number, leaf in enumerate(leaves):
            row, across = divmod(number, cell.per_row)
            positions[leaf] = (x + across * cell.width, y + (row + 0.5) * cell.height)
        if name != _ROOT:
            ends = inner + (leaves if cell.has_own_row else leaves[:1])
            edges += [(name, end, positions[end]) for end in ends]
    return positions, tuple(edges)


def _node(scores: Scores, plan: TreeLayout, experiment: Experiment, *, best: bool) -> Markup:
    """Return an experiment's mark: a cross if failed, a bar if rejected, a hollow shape if open."""
    score = STATUS_WORDS[experiment.status] if experiment.fitness is None else f"fitness {experiment.fitness:.3f}"
    hover = el("title", f"{title(experiment)}: {score}")
    at, radius = plan.positions[experiment.id], plan.cell.radius
    if experiment.status in ("failed", "rejected"):
        kind = "cross" if experiment.status == "failed" else "bar"
        return link(experiment, svg.mark(kind, at, radius * 0.75, "dot bad", hover))
    class_ = f"dot {scores.colour_class(experiment)}{' best' if best else ''}"
    return link(experiment, svg.mark(shape(experiment), at, radius, class_, hover))


def _label(scores: Scores, plan: TreeLayout, experiment: Experiment) -> Markup:
    """Return a label to the right of the mark: the id and, if there is space, the name."""
    x, y = plan.positions[experiment.id]
    letters = int((plan.column - 22) / _LETTER_PIXELS)
    short = experiment.id.removeprefix(BASELINE_PREFIX)
    text = names.label(experiment.id, experiment.name) if letters > len(experiment.id) + 8 else short
    label = text if len(text) <= letters else text[: letters - 1] + "…"
    class_ = "name strong" if scores.best is experiment else "name base" if is_baseline(experiment) else "name"
    return svg.text_line(x + plan.cell.radius + 4, y + 4, label, class_=class_)


def _describe(scores: Scores, line: Sequence[str]) -> str:
    """Return the picture as text."""
    roots = len(scores.experiments) - len(scores.parent)
    text = f"{len(scores.experiments)} experiments from {roots} roots; {len(scores.parent)} have a parent."
    return text if not line else f"{text} Line of the best candidate: {' from '.join(line)}."
