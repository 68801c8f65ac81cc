"""The pictures: their marks, lines and positions agree with the figures of the experiments."""

import re
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard import curves, fitness, lineage, svg, tradeoff
from dashboard.scores import Scores
from tests.support.factories import experiment

Make = Callable[..., list[Experiment]]
WIDTHS = pytest.mark.parametrize("width", [svg.WIDE, svg.NARROW])


def family(parents: list[int]) -> Scores:
    """Return experiments whose n-th has the parent `parents[n]`; n itself means no parent."""
    return Scores([
        Experiment(id=f"e{n}", status="failed", parent_id=f"e{parent}" if parent < n else None)
        for n, parent in enumerate(parents)
    ])  # fmt: skip


@WIDTHS
def test_every_ended_experiment_has_a_mark(make_campaign: Make, width: int, read_page: Callable) -> None:
    """Each ended experiment has one mark, with its score or its reason on hover."""
    scores = Scores(make_campaign(20))
    drawn = read_page(fitness.picture(scores, width))
    hovers = [a.text for a in drawn.all("a")]
    assert len(hovers) == 26
    for e in scores.experiments:
        text = f"{e.fitness:.3f}" if e.fitness is not None else f"{e.status}, {e.reason}"
        assert sum(h.startswith(e.id) and h.endswith(text) for h in hovers) == 1


def test_a_higher_fitness_is_drawn_higher(make_campaign: Make, read_page: Callable) -> None:
    """The vertical order of marks is the order of scores."""
    scores = Scores([e for e in make_campaign(20) if e.origin != "baseline" and e.fitness is not None])
    circles = read_page(fitness.picture(scores, svg.WIDE)).all("circle")
    heights = {e.id: float(c.attributes["cy"]) for e, c in zip(scores.experiments, circles, strict=True)}
    assert sorted(heights, key=lambda name: heights[name]) == [e.id for e in scores.ranked]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=130), st.sampled_from([svg.WIDE, svg.NARROW]))
def test_lineage_has_room_for_any_family(draws: list[int], width: int) -> None:
    """All marks are inside the picture, children are right of their parent, and no two marks overlap."""
    scores = family([draw % (n + 1) for n, draw in enumerate(draws)])
    plan = lineage.layout(scores, width)
    assert set(plan.positions) == {e.id for e in scores.experiments}
    assert all(0 < x < plan.size[0] and 0 < y < plan.size[1] for x, y in plan.positions.values())
    assert all(plan.positions[child][0] > plan.positions[parent][0] for child, parent in scores.parent.items())
    apart = min(
        (abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in combinations(plan.positions.values(), 2)), default=99.0
    )
    assert apart > 2 * plan.cell.radius


def test_lineage_survives_a_line_of_a_thousand() -> None:
    """A chain of a thousand experiments, one child each, has an edge for each child."""
    scores = family([max(0, n - 1) for n in range(1000)])
    assert len(lineage.layout(scores, svg.WIDE).edges) == 999


def test_lineage_of_many_is_compressed() -> None:
    """Two hundred childless children of one parent are drawn in a block of a few rows."""
    assert lineage.layout(family([0] * 201), svg.WIDE).size[1] < 120


def test_lineage_draws_an_edge_for_every_child_of_a_small_family(make_campaign: Make) -> None:
    """Every known parent has an edge to its child."""
    scores = Scores(make_campaign(20))
    drawn = {(child, parent) for parent, child, _ in lineage.layout(scores, svg.WIDE).edges}
    assert drawn == set(scores.parent.items())


def test_curves_are_thinned_and_keep_their_end() -> None:
    """A long curve keeps few points, always the last one, in the order of steps."""
    curve = [CurvePoint(task="text", step=s, loss=1 / (s + 1)) for s in range(999, -1, -1)]
    line = curves.loss_line(curve, "text")
    assert len(line) <= curves.MAX_POINTS
    assert line[-1] == (999.0, 0.001)
    assert line == sorted(line)


@pytest.mark.parametrize(("shape", "early"), [(lambda s: 5 / (1 + s), True), (lambda s: 5 - s / 100, False)])
def test_steps_are_logarithmic_if_the_loss_falls_early(shape: Callable[[int], float], early: bool) -> None:
    """An early fall gets a logarithmic axis, a steady one a linear axis."""
    assert curves.falls_early([[(float(s), shape(s)) for s in range(1, 400)]]) is early


def test_every_task_has_its_picture(make_campaign: Make, read_page: Callable) -> None:
    """Each task has one picture with a line for each baseline and for each of the best candidates."""
    scores = Scores(make_campaign(20))
    drawn = read_page(curves.pictures(curves.curves_of(scores.baselines), curves.coloured_candidates(scores)))
    assert [h.text for h in drawn.all("h3")] == ["text", "recall"]
    for figure in drawn.all("figure"):
        assert len(figure.all("path", "c-grey")) == 6
        assert len(figure.all("path", "curve")) == 6 + curves.MAX_COLOURED_CURVES


def test_single_points_and_divergence_are_drawn() -> None:
    """A curve of one point is a mark; a huge loss does not break the axis."""
    points = (CurvePoint(task="text", step=0, loss=1e30), CurvePoint(task="copy", step=0, loss=0.0))
    parts = {"loss": 0.5, "benchmark": 0.5, "judge": 0.5}
    alone = experiment("e1", fitness=0.5, parts=parts, curve=points)
    drawn = curves.pictures((), curves.coloured_candidates(Scores([alone])))
    assert drawn.count("<circle") == 2
    assert not re.search(r"nan|inf\b", drawn)


def test_the_front_is_not_beaten_in_both_figures(make_campaign: Make) -> None:
    """An experiment is outside the front exactly if one on it is worse in neither figure."""
    found = tradeoff.measured(Scores(make_campaign(60)))
    front = tradeoff.front(found)
    for e in found:
        beaten = any(
            (f.bits_per_byte or 0) <= (e.bits_per_byte or 0) and (f.recall or 0) >= (e.recall or 0) and f is not e
            for f in front
        )
        assert beaten != (e in front)


def test_area_is_proportional_to_parameters(make_campaign: Make, read_page: Callable) -> None:
    """Four times the parameters give twice the radius."""
    found = [e for e in make_campaign(20) if e.origin == "genetic" and e.recall is not None][:2]
    sizes = [e.model_copy(update={"parameters": size}) for e, size in zip(found, (100_000, 400_000), strict=True)]
    radii = sorted(float(c.attributes["r"]) for c in read_page(tradeoff.picture(Scores(sizes), svg.WIDE)).all("circle"))
    assert radii[1] == pytest.approx(2 * radii[0], abs=0.02)
