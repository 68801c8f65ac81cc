"""The distance of designs: a metric that counts the units to edit."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.design import (
    BASELINES,
    ConvolutionPath,
    Design,
    MemoryPath,
    WindowPath,
    draw_design,
    mutate,
)
from bus.vocabulary.design_edits import design_items, edits

MEMORY, DELTA_MEMORY = MemoryPath(), MemoryPath(decay="scalar", update="delta", norm="l2")
TWO_PATHS = Design((MEMORY, WindowPath()))


def distance(a: Design, b: Design) -> int:
    """Return the edits between two designs of the grammar."""
    return edits(design_items(a.to_json()), design_items(b.to_json()))


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """Draw a design, either from the whole space or a few mutations from a baseline."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return draw_design(rng)
    design = BASELINES[draw(st.sampled_from(sorted(BASELINES)))].design
    for _ in range(draw(st.integers(0, 3))):
        design = mutate(design, rng).design
    return design


@settings(deadline=None, max_examples=150)
@given(designs(), designs())
def test_only_equal_designs_have_distance_zero(a: Design, b: Design) -> None:
    """A design has distance 0 from its copy, and at least 1 from any other."""
    assert distance(a, Design.from_json(a.to_json())) == 0
    assert (distance(a, b) == 0) == (a == b)


@settings(deadline=None, max_examples=150)
@given(designs(), designs())
def test_the_distance_is_symmetric(a: Design, b: Design) -> None:
    """Both directions give the same figure."""
    assert distance(a, b) == distance(b, a)


@settings(deadline=None, max_examples=300)
@given(designs(), designs(), designs())
def test_the_triangle_inequality_holds(a: Design, b: Design, c: Design) -> None:
    """A detour is never shorter."""
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@pytest.mark.parametrize("axis", [axis.name for axis in MemoryPath.axes if axis.is_closed])
def test_one_other_unit_is_one_edit(axis: str) -> None:
    """All axes of a path have the same weight."""
    base = {"convolution": "qkv", "feature": "elu1", "norm": "l2", "decay": "channel"}
    keys = next(a for a in MemoryPath.axes if a.name == axis).keys
    paths = []
    for key in keys:
        try:
            paths.append(Design((MemoryPath(**base | {axis: key}),)))
        except ValueError:  # a rule forbids this unit with the others
            continue
    assert {distance(a, b) for a, b in product(paths, repeat=2) if a != b} == {1}


def test_edits_add_up() -> None:
    """They do so in the frame and in the paths."""
    design = Design((MEMORY,))
    assert distance(design, Design((MEMORY,), gate="silu")) == 1
    assert distance(design, Design((MEMORY,), gate="silu", skip="scaled")) == 2
    assert distance(design, Design((MemoryPath(decay="fixed"),), gate="silu", skip="scaled")) == 3


def test_a_dropped_path_is_farther_than_a_unit() -> None:
    """A path counts as all of its units and one more; a memory has more units than a window."""
    dropped = distance(TWO_PATHS, Design((MEMORY,)))
    assert dropped == 1 + len(WindowPath.axes)
    assert dropped > distance(TWO_PATHS, Design((MEMORY, WindowPath(span="8"))))
    assert distance(Design((MEMORY, DELTA_MEMORY)), Design((MEMORY,))) > dropped


def test_paths_are_matched_with_their_nearest() -> None:
    """A memory inserted before another does not shift the comparison."""
    rotary = MemoryPath(decay="scalar", update="delta", norm="l2", position="rotary")
    assert distance(Design((MEMORY, DELTA_MEMORY)), Design((MEMORY, rotary))) == 1
    assert distance(Design((DELTA_MEMORY,)), Design((MEMORY, DELTA_MEMORY))) == 1 + len(MemoryPath().spoken)


def test_kinds_share_no_units() -> None:
    """The norm of a window is not that of a memory, and a path of another kind is another item."""
    window, filters = Design((MEMORY, WindowPath())), Design((MEMORY, ConvolutionPath()))
    assert distance(window, filters) == 1 + max(len(WindowPath.axes), len(ConvolutionPath.axes))


def test_baselines_that_share_ideas_are_near() -> None:
    """Gated DeltaNet is nearer to DeltaNet than to any other baseline."""
    gated = BASELINES["gated-deltanet"].design
    distances = {
        name: distance(gated, baseline.design) for name, baseline in BASELINES.items() if name != "gated-deltanet"
    }
    assert min(distances, key=distances.__getitem__) == "deltanet"


@pytest.mark.parametrize("value", [{}, {"paths": 7}, {"paths": [None, "x"]}, {"gate": ["silu"]}, {"paths": [{}] * 50}])
def test_any_json_object_can_be_compared(value: dict[str, object]) -> None:
    """An object that is no design of this grammar is far away and raises no error."""
    gla = design_items(BASELINES["gla"].design.to_json())
    assert edits(design_items(value), gla) > 3
