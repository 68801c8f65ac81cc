"""Designs of one function take one form, and numeric fingerprints find designs of one function."""

import random

import numpy as np
import pytest

from agents.design import BASELINES, Design, MemoryPath, render
from agents.design.equivalence import normal_form
from agents.design.formulas.breeding import vary_formula
from agents.design.formulas.expression import parse
from agents.design.formulas.keys import formula_key
from agents.design.formulas.plainer import is_idle, plainer
from agents.design.formulas.simplify import canonical
from benchmarks.duplicates import EQUAL, outputs_of
from tests.support.compilers import real_compilers  # noqa: F401  (an autouse fixture)

HUMANS = [baseline.design for baseline in BASELINES.values()]


def with_formula(axis: str, text: str, output_norm: str = "rms", **choices: str) -> Design:
    """Return a design of one memory with a formula on an axis."""
    key = formula_key(axis, text)
    frame = {"gate": key} if axis == "gate" else {}
    path = choices if axis == "gate" else choices | {axis: key}
    return Design((MemoryPath(**path),), output_norm=output_norm, **frame)


SAME_OUTPUTS = [
    (("feature", "mul(a0,z)", "rms", {"norm": "l2"}), {"norm": "l2"}),
    (("feature", "mul(dot(z,z),sigmoid(z))", "rms", {"norm": "l2"}), ("feature", "sigmoid(z)")),
    (("feature", "add(mul(a0,z),z)", "rms", {"norm": "l2"}), {"norm": "l2"}),
    (("feature", "relu(mul(0.5,z))", "rms", {"norm": "l2"}), {"norm": "l2", "feature": "relu"}),
    (("value", "add(a0,v)", "layer", {}), {}),
    (("read", "add(r,relu(h0))", "layer", {"present": "skip"}), {"present": "skip"}),
    (("decay", "mul(-1,softplus(add(h0,mul(norm(k),s0))))", "rms", {"norm": "l2"}),
     ("decay", "mul(-1,softplus(add(h0,s0)))")),
    (("gate", "norm(mul(2,r))", "rms", {}), ("gate", "norm(r)")),
]  # fmt: skip
ABSORBED = [
    (("value", "mul(a0,v)", "none", {}), {}),
    (("read", "mul(a0,r)", "none", {}), {}),
    (("gate", "mul(a0,sigmoid(h0))", "rms", {}), "head"),
    (("feature", "mul(a0,z)", "none", {}), {}),
]


@pytest.mark.parametrize(("given", "expected"), [*SAME_OUTPUTS, *ABSORBED], ids=lambda value: str(value)[:50])
def test_what_changes_nothing_goes(given: tuple[str, str, str, dict[str, str]], expected: object) -> None:
    """A scale or a shift that a norm undoes, a constant that a projection takes up, a length that is 1."""
    axis, text, output_norm, choices = given
    design = with_formula(axis, text, output_norm, **choices)
    if isinstance(expected, tuple):
        plain = with_formula(*expected, output_norm, **choices)
    elif isinstance(expected, str):
        plain = Design((MemoryPath(**choices),), output_norm=output_norm, gate=expected)
    else:
        plain = Design((MemoryPath(**expected),), output_norm=output_norm)  # type: ignore[arg-type]
    assert normal_form(design) == plain
    assert normal_form(plain) == plain
    if (given, expected) in SAME_OUTPUTS:
        difference = np.abs(outputs_of(render(design).source) - outputs_of(render(plain).source)).max()
        assert difference < 1e-3  # the norms' epsilons, and other parameters that the formula brought


@pytest.mark.parametrize(
    ("given", "choices"),
    [
        (("value", "mul(sigmoid(h0),v)", "none"), {}),
        (("value", "add(a0,v)", "rms"), {}),
        (("read", "add(r,relu(h0))", "layer"), {"kept": "silu_first"}),
        (("feature", "mul(a0,z)", "none"), {"present": "skip"}),
        (("decay", "mul(-1,softplus(add(h0,mul(norm(k),s0))))", "rms"), {}),
    ],
    ids=str,
)
def test_what_has_an_effect_stays(given: tuple[str, str, str], choices: dict[str, str]) -> None:
    """A gate that follows the token, a shift before a norm that keeps it, a length that is not 1."""
    gate = choices.pop("kept", "none")
    design = with_formula(*given, **choices)
    design = Design(design.paths, **design.choices | {"gate": gate})
    assert normal_form(design) == design


def test_a_formula_keeps_the_part_that_makes_it_one() -> None:
    """Behind a layer norm a term per head does nothing; but a read-out without it would not read the memory."""
    design = with_formula("read", "add(sigmoid(relu(v)),norm(r))", "layer")
    assert normal_form(design) == design


def test_normal_forms_are_final() -> None:
    """200 designs with formulas: the normal form of a normal form is itself, and renders."""
    for seed in range(200):
        rng = random.Random(seed)
        design = rng.choice(HUMANS)
        for _ in range(3):
            design = vary_formula(design, HUMANS, rng).design
        form = normal_form(normal_form(design))
        assert normal_form(form) == form
        assert Design.from_json(form.to_json()) == form
        assert render(form).source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu(mul(-3,z))", "mul(3,relu(mul(-1,z)))"),
        ("dot(mul(2,q),mul(3,k))", "mul(6,dot(k,q))"),
        ("add(h0,relu(a0))", "h0"),
        ("add(h0,relu(mul(-1,s0)))", "h0"),
        ("mul(a0,add(h0,relu(a0)))", "mul(a0,add(h0,relu(a0)))"),
        ("relu(s0)", "relu(s0)"),
        ("add(mul(a0,z),z)", "mul(add(a0,1),z)"),
    ],
)
def test_plainer_trees(text: str, expected: str) -> None:
    """A learned number that `relu` silences stays if it stands elsewhere too, since it then learns."""
    assert canonical(plainer(parse(text))) == canonical(parse(expected))


def test_an_idle_formula_is_not_bred() -> None:
    """relu(z)·relu(−z) is 0 for every token."""
    assert is_idle(parse("mul(relu(z),relu(mul(-1,z)))"))
    assert is_idle(parse("mul(relu(a0),z)"))
    assert not is_idle(parse("mul(a0,z)"))
    assert not is_idle(parse("relu(z)"))
    assert not is_idle(parse("relu(add(v,-1))"))


def test_equal_functions_have_equal_outputs_and_others_differ() -> None:
    """The order of paths does not count, and neither do parameters that do nothing."""
    first, second = MemoryPath(norm="l2", update="delta"), MemoryPath(decay="scalar")
    one, other = (Design((a, b)) for a, b in ((first, second), (second, first)))
    assert np.allclose(outputs_of(render(one).source), outputs_of(render(other).source), atol=EQUAL)
    scaled = Design((MemoryPath(norm="l2", feature=formula_key("feature", "mul(norm(z),z)")),))
    plain, window = Design((MemoryPath(norm="l2"),)), Design((MemoryPath(),))
    assert np.linalg.norm(outputs_of(render(scaled).source) - outputs_of(render(plain).source)) < EQUAL
    assert np.linalg.norm(outputs_of(render(window).source) - outputs_of(render(plain).source)) > 0.1
