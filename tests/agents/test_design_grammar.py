"""The grammar: designs are valid and canonical by construction, have a JSON form, and are very many."""

import json
import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.design import (
    ConvolutionPath,
    Design,
    MemoryPath,
    Path,
    WindowPath,
    count_designs,
    draw_design,
    name,
    render,
    tree,
)
from agents.design.space import count_choices, count_paths
from agents.design.units.unit import Unit, axis, rule

SEEDS = st.integers(0, 2**32)


def test_the_space_is_large() -> None:
    """There are more than 10^5 designs."""
    assert count_designs() > 10**5


@pytest.mark.parametrize("kind", [WindowPath, ConvolutionPath])
def test_the_count_of_paths_is_exact(kind: type[Path]) -> None:
    """It is the number of distinct paths over all combinations of units."""
    paths = {kind(*keys) for keys in product(*(axis.keys for axis in kind.axes))}
    assert count_paths(kind) == len(paths)


def test_the_count_respects_rules() -> None:
    """Axes that a rule connects count their allowed combinations; the numbers of other axes multiply."""
    a, b, c = (axis(n, "", *(Unit(k, "") for k in "xyz")) for n in "abc")
    tied = rule("", when={"a": "x"}, then={"b": "x y"})
    assert count_choices((a, b, c), ()) == 27
    assert count_choices((a, b, c), (tied,)) == (9 - 1) * 3


def test_the_count_of_memories_agrees_with_their_sources() -> None:
    """Valid memories that differ in their core axes render to distinct sources."""
    valid, sources = 0, set()
    for norm, position, decay, update, readout in product(*(a.keys for a in MemoryPath.axes if a.name in _CORE)):
        try:
            memory = MemoryPath(norm=norm, position=position, decay=decay, update=update, read=readout, feature="elu1")
        except ValueError:
            continue
        valid += 1
        sources.add(render(Design((memory,))).source)
    assert len(sources) == valid > 100


_CORE = ("norm", "position", "decay", "update", "read")


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_a_design_survives_json(seed: int) -> None:
    """Reading its JSON text gives an equal design."""
    design = draw_design(random.Random(seed))
    assert Design.from_json(json.loads(json.dumps(design.to_json()))) == design


def test_designs_have_a_canonical_form() -> None:
    """The order of paths in the constructor makes no difference."""
    memory, window = MemoryPath(decay="fixed"), WindowPath()
    assert Design((memory, window)) == Design((window, memory))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ({}, "paths"),
        ({"paths": []}, "one to 3 paths"),
        ({"paths": [{"kind": "window"}]}, "memory paths"),
        ({"paths": [{"kind": "transformer"}]}, "'transformer'"),
        ({"paths": [{"decay": "none"}]}, "kind"),
        ({"paths": ["memory"]}, "kind"),
        ({"paths": [{"kind": "memory"}] * 2}, "must differ"),
        ({"paths": [{"kind": "memory", "colour": "red"}]}, "'colour'"),
        ({"paths": [{"kind": "memory", "decay": "radioactive"}]}, "'radioactive'"),
        ({"paths": [{"kind": "memory", "decay": 3}]}, "string"),
        ({"paths": [{"kind": "memory", "update": "delta"}]}, "unit keys"),
        ({"paths": [{"kind": "memory", "conv_width": "3"}]}, "no convolution"),
        ({"paths": [{"kind": "memory"}], "fusion": "router"}, "one path only"),
        ({"paths": [{"kind": "memory"}], "gate": 1}, "string"),
    ],
)
def test_a_mistake_in_json_raises_value_error(value: object, message: str) -> None:
    """Each mistake in a design's JSON raises a ValueError with one clear line."""
    with pytest.raises(ValueError, match=message) as error:
        Design.from_json(value)
    assert "\n" not in str(error.value)


def test_names_use_the_terms_of_the_field() -> None:
    """A name lists the units that distinguish a design."""
    memory = MemoryPath(decay="scalar", update="delta", norm="l2", convolution="qkv")
    assert name(Design((memory,), gate="silu")) == "gated-delta·conv4·silu-gate"
    assert name(Design((memory, WindowPath()), fusion="router")) == "gated-delta·conv4+window·router"


def test_the_tree_has_a_line_for_each_unit() -> None:
    """The tree has one line for the name, each unit and each path."""
    design = Design((MemoryPath(), WindowPath()), fusion="gates")
    assert len(tree(design).splitlines()) == 1 + 6 + 2 + len(MemoryPath.axes) + len(WindowPath.axes)
