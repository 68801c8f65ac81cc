"""A source is read back into its design: every rendered design comes back, and nothing else is taken for one."""

from random import Random
from time import perf_counter

import pytest

from agents.design import BASELINES, Design, render
from agents.design.formulas.breeding import vary_formula
from agents.design.operators import mutate
from agents.design.source_reading import design_of
from agents.design.space import draw_design
from agents.design.units.unit import is_formula

GLA = BASELINES["gla"]
SOURCE = GLA.source
MAX_SECONDS = 5.0
"""Longest reading of a hostile source, on a busy machine."""


def named_units(design: Design) -> list[dict[str, str]]:
    """Return the choices of a design that are no formulas."""
    return [{axis: key for axis, key in of.choices.items() if not is_formula(key)} for of in (design, *design.paths)]


@pytest.mark.parametrize("seed", range(3))
def test_every_rendered_design_comes_back(seed: int) -> None:
    """Drawn designs of one to three paths, and their mutants."""
    random = Random(seed)
    for _ in range(8):
        design = draw_design(random)
        child = mutate(design, random).design
        assert design_of(render(design).source) == design
        assert design_of(render(child).source) == child


@pytest.mark.parametrize("seed", range(3))
def test_formulas_come_back_from_their_code(seed: int) -> None:
    """The code rounds constants to six digits; apart from that the design is the same."""
    random = Random(seed)
    for _ in range(10):
        design = vary_formula(vary_formula(draw_design(random), [], random).design, [], random).design
        found = design_of(render(design).source)
        assert found is not None
        assert named_units(found) == named_units(design)
        assert [line.split("#")[0] for line in render(found).source.splitlines() if " = " in line] == [
            line.split("#")[0] for line in render(design).source.splitlines() if " = " in line
        ]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_read(name: str) -> None:
    """Its source is that of its design."""
    assert design_of(BASELINES[name].source) == BASELINES[name].design


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import torch\n", "import math\nimport torch\n"),
        ("class ", "# what follows is mine\nclass Renamed"),
        (" -> Tensor:", ":"),
        ("        super().__init__()\n", "        super( ).__init__()  # begin\n\n"),
    ],
)
def test_what_changes_no_code_changes_no_design(old: str, new: str) -> None:
    """An unused import, another class name, an annotation less, comments and spaces."""
    assert old in SOURCE
    assert design_of(SOURCE.replace(old, new, 1)) == GLA.design


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bias=False", "bias=True"),
        ("rms_norm(o,", "rms_norm(2 * o,"),
        ("return self.o_proj(o)", "return 0.5 * self.o_proj(o)"),
        ("import linear_recurrence, rms_norm", "import rms_norm as linear_recurrence, rms_norm"),
        ("    def forward", "    extra = 3\n\n    def forward"),
        ("class ", "SCALE = 2\n\n\nclass "),
    ],
)
def test_other_code_has_no_design(old: str, new: str) -> None:
    """However near it is: a design has to render to the source."""
    assert old in SOURCE
    assert design_of(SOURCE.replace(old, new, 1)) is None


def with_lines(*lines: str) -> str:
    """Return the source with more lines at the end of its forward pass."""
    return SOURCE.replace("        return", "".join(f"        {line}\n" for line in lines) + "        return")


HOSTILE = {
    "no Python": "class :",
    "nothing": "",
    "parts of parts": with_lines("part0 = h0", *(f"part{n + 1} = part{n} * part{n}" for n in range(60)), "g = part60"),
    "a part of itself": with_lines("part1 = part1 + 1", "g = part1"),
    "a deep expression": with_lines(f"g = {'-' * 5000}h0"),
    "formulas": with_lines(*(f"g = -F.softplus({n} * h0)" for n in range(200))),
    "many formulas": with_lines(*(f"g = -F.softplus({n} * h0)" for n in range(2000))),
    "unknown methods": SOURCE.replace("def forward", "def other(self):\n        pass\n\n    def forward"),
    "two windows": "class A(nn.Module):\n def __init__(self): pass\n def window(self): pass\n def forward(self): pass",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_source_has_no_design_and_takes_no_time(name: str) -> None:
    """Whatever its text."""
    start = perf_counter()
    assert design_of(HOSTILE[name]) is None
    assert perf_counter() - start < MAX_SECONDS
