"""SVG building blocks: scales, ticks and paths."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.report import svg

FINITE = st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-6)


def test_linear_scale_maps_ends_to_ends() -> None:
    """The lowest value maps to the start, the highest to the end, the middle to the middle."""
    scale = svg.scale([2.0, 4.0], 100, 0, log=False)
    assert [scale(2), scale(3), scale(4)] == [100, 50, 0]


def test_log_scale_gives_each_decade_the_same_room() -> None:
    """On a logarithmic axis equal ratios are equal lengths."""
    scale = svg.scale([1, 100], 0, 200, log=True)
    assert [scale(1), scale(10), scale(100)] == pytest.approx([0, 100, 200])


@pytest.mark.parametrize(("values", "log"), [([1.5, 3.4], False), ([0.01, 4.0], True), ([-1.0, 50.0, 0.1], True)])
def test_a_wide_range_is_logarithmic(values: list[float], log: bool) -> None:
    """By default a scale is logarithmic if the values span a wide range."""
    assert svg.scale(values, 0, 1).log is log


@pytest.mark.parametrize("values", [[], [0.0], [3.0, 3.0], [nan, inf], [0.0, 0.0], [-2.0]])
@pytest.mark.parametrize("log", [None, True, False])
def test_a_scale_always_has_a_range(values: list[float], log: bool | None) -> None:
    """If there are no values, or they are equal or infinite, the axis still has ticks."""
    scale = svg.scale(values, 0, 100, log=log)
    assert scale.low < scale.high
    assert all(0 <= scale(tick) <= 100 for tick in scale.ticks(5))


@given(FINITE, FINITE, st.integers(2, 12))
def test_ticks_are_few_and_inside(a: float, b: float, about: int) -> None:
    """Linear ticks lie inside the domain, rise, and are not many more than asked for."""
    low, high = min(a, b), max(a, b)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        ticks = svg.linear_ticks(low, high, about)
        margin = (high - low) * 1e-6
        assert all(low - margin <= t <= high + margin for t in ticks)
        assert ticks == sorted(set(ticks))
        assert len(ticks) <= about + 1


@given(st.floats(1e-4, 1e3), st.floats(1.5, 1e6))
def test_log_ticks_are_few_and_inside(low: float, ratio: float) -> None:
    """A logarithmic axis has at least one tick and at most about as many as asked for."""
    ticks = svg.scale([low, low * ratio], 0, 1, log=True).ticks(5)
    assert 1 <= len(ticks) <= 7
    assert all(low * 0.99 <= t <= low * ratio * 1.01 for t in ticks)


def test_values_outside_are_clamped() -> None:
    """A mark never leaves its plot."""
    assert svg.scale([1, 10], 0, 100, log=True)(-5) == 0


def test_steps_keep_a_height_until_the_next_point() -> None:
    """A staircase goes right first, then up."""
    assert svg.steps([(0, 1), (2, 3)]) == [(0, 1), (2, 1), (2, 3)]
    assert svg.steps([]) == []


def test_paths_have_two_decimals() -> None:
    """Coordinates are rounded, so that a path is short."""
    assert svg.path([(0, 1 / 3), (2.5, 10)], "x") == '<path d="M0 0.33L2.5 10" class="x"></path>'


@pytest.mark.parametrize(("value", "label"), [(0.25, "0.25"), (1200, "1.2k"), (3e6, "3M"), (0, "0")])
def test_labels_are_short(value: float, label: str) -> None:
    """Thousands and millions are abbreviated."""
    assert svg.label(value) == label
