"""The family tree: parents on the left, children on the right, each coloured by its fitness.

Few experiments get a row each. Where there are many, the childless children of one parent stand together in a block,
so that five hundred fit a screen and the branches that went on stay visible. Parents are opened before their children,
so one pass backward gives the heights and one forward the places: no recursion.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from bus.vocabulary.queries import Experiment
from bus.wire.ids import BASELINE_PREFIX
from dashboard import svg
from dashboard.fitness import link
from dashboard.markup import Markup, el
from dashboard.scores import WORDS, Scores, is_baseline, shape, title

MAX_ROOMY_EXPERIMENTS = 60
"""Experiments up to which each has a row of its own."""
_ROOT = ""
"""Stands for the parent of those that have none; it is not drawn."""
_MARGIN = 14
_COLUMN = 54.0
"""Pixels between two generations at least."""
_LETTER = 6.4
"""Pixels that a letter of a label takes, about."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The room of one childless experiment, in pixels, and how many stand side by side in a block."""

    width: float
    height: float
    per_row: int
    radius: float

    @property
    def roomy(self) -> bool:
        """Whether each experiment has a row, with its label and an edge of its own."""
        return self.width == 0.0


@dataclass(frozen=True, slots=True)
class TreeLayout:
    """Where everything stands, in pixels."""

    spots: dict[str, svg.Point]
    """Centre of each experiment's mark."""
    edges: tuple[tuple[str, str, svg.Point], ...]
    """Parent, child and where their edge arrives; one edge to the first of a block stands for the block."""
    cell: Cell
    column: float
    """Distance of two generations."""
    size: tuple[float, float]
    """Width and height of the whole picture."""


def picture(scores: Scores, width: int) -> Markup:
    """Return the tree, `width` pixels wide, or wider where its generations need it, and as high as it has to be."""
    plan = layout(scores, width)
    line = scores.ancestry(scores.best) if scores.best else []
    labelled = {e.id for e in scores.experiments} if plan.cell.roomy else set(line)
    return svg.svg(
        f"lineage-{width}",
        "Lineage",
        _describe(scores, line),
        plan.size,
        *(svg.bend(plan.spots[a], to, "edge line" if b in line else "edge") for a, b, to in plan.edges),
        *(_node(scores, plan, e, best=e is scores.best) for e in scores.experiments),
        *(_label(scores, plan, e) for e in scores.experiments if e.id in labelled),
        fit=svg.page(width) if plan.cell.roomy else None,
    )


def pictures(scores: Scores) -> list[Markup]:
    """Return a drawing for a wide and one for a narrow page; with many experiments one that a narrow page scrolls."""
    widths = (svg.WIDE, svg.NARROW) if len(scores.experiments) <= MAX_ROOMY_EXPERIMENTS else (svg.WIDE,)
    return [picture(scores, width) for width in widths]


def layout(scores: Scores, width: int) -> TreeLayout:
    """Return places for all experiments; the generation gives the column, the order of opening the rows."""
    order = [e.id for e in scores.experiments]
    children: dict[str, list[str]] = defaultdict(list)
    generation = {_ROOT: -1}
    for name in order:
        parent = scores.parent.get(name, _ROOT)
        children[parent].append(name)
        generation[name] = generation[parent] + 1
    columns = max(generation.values()) + 1
    column = max(_COLUMN, (width - 2 * _MARGIN) / columns)
    cell = _cell(len(order), column)
    heights = _heights(order, children, cell)
    spots, edges = _place(order, children, generation, heights, cell, column)
    return TreeLayout(spots, edges, cell, column, (columns * column + 2 * _MARGIN, heights[_ROOT] + 2 * _MARGIN))


def _cell(experiments: int, column: float) -> Cell:
    """Return the room of a childless experiment: a labelled row, or a dot in a block."""
    if experiments <= MAX_ROOMY_EXPERIMENTS:
        return Cell(0.0, 22.0, 1, 5.5)
    return Cell(8.0, 8.0, max(1, int((column - 18) / 8.0)), 3.2)


def _split(names: Sequence[str], children: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """Return those that have children, and those that have none."""
    return [n for n in names if n in children], [n for n in names if n not in children]


def _heights(order: Sequence[str], children: dict[str, list[str]], cell: Cell) -> dict[str, float]:
    """Return the height of the subtree under each experiment that has children, and under the root of all."""
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
    """Return spots and edges: under each parent first the branches that go on, then the block of the childless."""
    spots: dict[str, svg.Point] = {}
    edges: list[tuple[str, str, svg.Point]] = []
    tops = {_ROOT: float(_MARGIN)}
    for name in (_ROOT, *order):
        if name not in children:
            continue
        x, y = _MARGIN + (generation[name] + 1) * column, tops[name]
        inner, leaves = _split(children[name], children)
        for branch in inner:
            tops[branch], spots[branch] = y, (x, y + heights[branch] / 2)
            y += heights[branch]
        for place, leaf in enumerate(leaves):
            row, across = divmod(place, cell.per_row)
            spots[leaf] = (x + across * cell.width, y + (row + 0.5) * cell.height)
        if name != _ROOT:
            ends = inner + (leaves if cell.roomy else leaves[:1])
            edges += [(name, end, spots[end]) for end in ends]
    return spots, tuple(edges)


def _node(scores: Scores, plan: TreeLayout, experiment: Experiment, *, best: bool) -> Markup:
    """Return an experiment's mark; given up is a cross, rejected a bar, and what is still under way is hollow."""
    score = WORDS[experiment.status] if experiment.fitness is None else f"fitness {experiment.fitness:.3f}"
    words = el("title", f"{title(experiment)}: {score}")
    at, radius = plan.spots[experiment.id], plan.cell.radius
    if experiment.status in ("failed", "rejected"):
        kind = "cross" if experiment.status == "failed" else "bar"
        return link(experiment, svg.mark(kind, at, radius * 0.75, "dot bad", words))
    class_ = f"dot {scores.bin(experiment)}{' best' if best else ''}"
    return link(experiment, svg.mark(shape(experiment), at, radius, class_, words))


def _label(scores: Scores, plan: TreeLayout, experiment: Experiment) -> Markup:
    """Return id and, where there is room, name to the right of the mark; the last column has no room beyond it."""
    x, y = plan.spots[experiment.id]
    letters = int((plan.column - 22) / _LETTER)
    short = experiment.id.removeprefix(BASELINE_PREFIX)
    words = title(experiment) if letters > len(experiment.id) + 8 else short
    fitted = words if len(words) <= letters else words[: letters - 1] + "…"
    class_ = "name strong" if scores.best is experiment else "name base" if is_baseline(experiment) else "name"
    return svg.words(x + plan.cell.radius + 4, y + 4, fitted, class_=class_)


def _describe(scores: Scores, line: Sequence[str]) -> str:
    """Return the picture in words."""
    roots = len(scores.experiments) - len(scores.parent)
    said = f"{len(scores.experiments)} experiments from {roots} roots; {len(scores.parent)} have a parent."
    return said if not line else f"{said} Line of the best candidate: {' from '.join(line)}."
