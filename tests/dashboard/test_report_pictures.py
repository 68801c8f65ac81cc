"""Marks, lines and positions in the pictures agree with the figures of the experiments."""

import re
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment
from dashboard.report import curves, fitness, lineage, svg, tradeoff
from dashboard.report.scores import Scores
from tests.support.factories import experiment

Make = Callable[..., list[Experiment]]
WIDTHS = pytest.mark.parametrize("width", [svg.WIDE, svg.NARROW])


def family(parents: list[int]) -> Scores:
    """Return experiments of which the n-th has the parent `parents[n]`, or none if that is n."""
    return Scores([
        Experiment(id=f"e{n}", status="failed", parent_id=f"e{parent}" if parent < n else None)
        for n, parent in enumerate(parents)
    ])  # fmt: skip


@WIDTHS
def test_every_ended_experiment_has_a_mark(make_campaign: Make, width: int, read_page: Callable) -> None:
    """Each ended experiment has one mark, with its score or its reason on hover."""
    scores = Scores(make_campaign(20))
    page = read_page(fitness.picture(scores, width))
    hovers = [a.text for a in page.all("a")]
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
    distance = min(
        (abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in combinations(plan.positions.values(), 2)), default=99.0
    )
    assert distance > 2 * plan.cell.radius


def test_lineage_draws_a_chain_of_a_thousand() -> None:
    """Each experiment has one child, and each child has an edge."""
    scores = family([max(0, n - 1) for n in range(1000)])
    assert len(lineage.layout(scores, svg.WIDE).edges) == 999


def test_lineage_draws_many_childless_children_in_a_block() -> None:
    """Two hundred of one parent take a few rows."""
    assert lineage.layout(family([0] * 201), svg.WIDE).size[1] < 120


def test_lineage_draws_an_edge_for_every_child_of_a_small_family(make_campaign: Make) -> None:
    """There is an edge from every known parent to its child."""
    scores = Scores(make_campaign(20))
    edges = {(child, parent) for parent, child, _ in lineage.layout(scores, svg.WIDE).edges}
    assert edges == set(scores.parent.items())


def test_curves_are_thinned_and_keep_their_end() -> None:
    """A long curve keeps few points, always the last one, in the order of steps."""
    curve = [CurvePoint(task="text", step=s, loss=1 / (s + 1)) for s in range(999, -1, -1)]
    line = curves.loss_line(curve, "text")
    assert len(line) <= curves.MAX_POINTS
    assert line[-1] == (999.0, 0.001)
    assert line == sorted(line)


@pytest.mark.parametrize(("shape", "early"), [(lambda s: 5 / (1 + s), True), (lambda s: 5 - s / 100, False)])
def test_steps_are_logarithmic_if_the_loss_falls_early(shape: Callable[[int], float], early: bool) -> None:
    """If the loss falls steadily, the axis is linear."""
    assert curves.falls_early([[(float(s), shape(s)) for s in range(1, 400)]]) is early


def test_every_task_has_its_picture(make_campaign: Make, read_page: Callable) -> None:
    """Each task has one picture with a line for each baseline and for each of the best candidates."""
    scores = Scores(make_campaign(20))
    page = read_page(curves.pictures(curves.curves_of(scores.baselines), curves.coloured_candidates(scores)))
    assert [h.text for h in page.all("h3")] == ["text", "recall"]
    for figure in page.all("figure"):
        assert len(figure.all("path", "c-grey")) == 6
        assert len(figure.all("path", "curve")) == 6 + curves.MAX_COLOURED_CURVES


def test_single_points_and_divergence_are_drawn() -> None:
    """A curve of one point is a mark, and a huge loss leaves the axis finite."""
    points = (CurvePoint(task="text", step=0, loss=1e30), CurvePoint(task="copy", step=0, loss=0.0))
    parts = {"loss": 0.5, "benchmark": 0.5, "judge": 0.5}
    candidate = experiment("e1", fitness=0.5, parts=parts, curve=points)
    markup = curves.pictures((), curves.coloured_candidates(Scores([candidate])))
    assert markup.count("<circle") == 2
    assert not re.search(r"nan|inf\b", markup)


def test_the_front_is_not_beaten_in_both_figures(make_campaign: Make) -> None:
    """An experiment is outside the front if and only if one on the front is worse in neither figure."""
    experiments = tradeoff.measured(Scores(make_campaign(60)))
    front = tradeoff.front(experiments)
    for e in experiments:
        beaten = any(
            (f.bits_per_byte or 0) <= (e.bits_per_byte or 0) and (f.recall or 0) >= (e.recall or 0) and f is not e
            for f in front
        )
        assert beaten != (e in front)


@WIDTHS
def test_only_analysed_experiments_that_are_not_vetoed_are_on_the_front(width: int, read_page: Callable) -> None:
    """Figures of a run that failed later, waits in quarantine or is vetoed don't count, however good they are."""
    others = [experiment(status, status, val_loss=1.0, recall=0.99) for status in ("failed", "quarantined")]
    vetoed = experiment("e0002", vetoed=True, val_loss=1.0, recall=0.99)
    counted = experiment("e0001", val_loss=1.4, recall=0.9)
    page = read_page(tradeoff.picture(Scores([counted, *others, vetoed]), width))
    assert page.all("desc")[0].text.endswith("in both figures: e0001.")
    assert len(page.all("circle")) == 4


def test_area_is_proportional_to_parameters(make_campaign: Make, read_page: Callable) -> None:
    """Four times the parameters give twice the radius."""
    experiments = [e for e in make_campaign(20) if e.origin == "genetic" and e.recall is not None][:2]
    sizes = [e.model_copy(update={"parameters": size}) for e, size in zip(experiments, (100_000, 400_000), strict=True)]
    radii = sorted(float(c.attributes["r"]) for c in read_page(tradeoff.picture(Scores(sizes), svg.WIDE)).all("circle"))
    assert radii[1] == pytest.approx(2 * radii[0], abs=0.02)
