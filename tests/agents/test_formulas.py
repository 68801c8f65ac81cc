"""Formulas as trees: reading, shapes and ranges, canonical form, fingerprints, and operators."""

import os
import pickle
import random
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.design.formulas.expression import MAX_SIZE, Expression, call, leaf, number, parse
from agents.design.formulas.keys import formula_key, formula_of
from agents.design.formulas.known import SEEDS, seed_of
from agents.design.formulas.openings import OPENINGS
from agents.design.formulas.ranges import fault_of, range_of, shape_of
from agents.design.formulas.simplify import canonical, simplified
from agents.design.formulas.trees import grown, varied
from agents.design.formulas.values import fingerprint, values, variants
from agents.design.formulas.words import in_words
from agents.design.units.unit import is_formula

LEAVES = st.sampled_from(["h0", "h1", "a0", "s0", "k", "q"]).map(leaf)
NUMBERS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0]).map(number)


def larger(trees: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Return trees of one more level."""
    unary = st.sampled_from(["sigmoid", "softplus", "exp", "relu", "mean", "norm"])
    binary = st.sampled_from(["add", "mul", "add", "mul", "dot"])
    return st.builds(call, unary, trees) | st.builds(call, binary, trees, trees)


TREES = st.recursive(LEAVES | NUMBERS, larger, max_leaves=8)


@st.composite
def typed_trees(draw: st.DrawFn) -> Expression:
    """Draw a tree whose shapes fit."""
    tree = draw(TREES)
    try:
        shape_of(tree)
    except ValueError:
        assume(condition=False)
    return tree


@settings(deadline=None, max_examples=200)
@given(typed_trees())
def test_simplification_keeps_values(tree: Expression) -> None:
    """The simplified tree has the same value at every sampled step, and is in its own simplest form."""
    simple = simplified(tree)
    assert values(simple) == pytest.approx(values(tree), rel=1e-7, abs=1e-7)
    assert simplified(simple) == simple
    assert parse(simple.text) == simple


def shuffled(tree: Expression, rng: random.Random) -> Expression:
    """Return the tree with the arguments of sums and products in another order and in other groups."""
    args = [shuffled(arg, rng) for arg in tree.args]
    if tree.op not in ("add", "mul"):
        return Expression(tree.op, tuple(args), tree.value)
    rng.shuffle(args)
    if len(args) > 2:
        args = [call(tree.op, *args[:2]), *args[2:]]
    return call(tree.op, *args)


@settings(deadline=None, max_examples=150)
@given(typed_trees(), st.integers(0, 2**32))
def test_commuted_and_associated_forms_meet(tree: Expression, seed: int) -> None:
    """Another order and grouping of sums and products has the same canonical form and fingerprint."""
    other = shuffled(call("add", leaf("h0"), call("add", tree, leaf("h1"))), random.Random(seed))
    first = call("add", call("add", leaf("h0"), leaf("h1")), tree)
    assert canonical(other) == canonical(first)
    assert fingerprint(other) == fingerprint(first)


@settings(deadline=None, max_examples=150)
@given(typed_trees())
def test_the_canonical_form_is_the_simplest_of_all_variants(tree: Expression) -> None:
    """The variants that `canonical` skips, such as other signs where none is negative, are never simpler."""
    simple = [simplified(variant) for variant in variants(simplified(tree))]
    assert canonical(tree) == min(simple, key=lambda form: (form.size, form.text.count("-"), form.text))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("mul(h0,add(h1,a0))", "add(mul(h0,h1),mul(a0,h0))"),
        ("sigmoid(mul(-1,h0))", "add(1,mul(-1,sigmoid(h0)))"),
        ("mul(h1,sigmoid(h0))", "mul(sigmoid(h1),h0)"),
        ("softplus(mul(-1,h0))", "softplus(h0)"),
        ("relu(relu(k))", "relu(k)"),
        ("mean(add(h0,h1))", "add(mean(h1),mean(h0))"),
        ("dot(k,add(q,k))", "add(dot(q,k),dot(k,k))"),
    ],
)
def test_equal_functions_have_equal_fingerprints(a: str, b: str) -> None:
    """Also those that no rule of simplification brings together, and those that differ in names or free signs."""
    assert fingerprint(parse(a)) == fingerprint(parse(b))


def test_other_functions_have_other_fingerprints() -> None:
    """Different canonical forms drawn at random seldom agree in their values."""
    rng, seen = random.Random(0), {}
    for opening in OPENINGS.values():
        for _ in range(60):
            tree = grown(opening, rng)
            if tree is not None:
                seen[tree.text] = fingerprint(tree)
    assert len(set(seen.values())) > 0.9 * len(seen) > 100


@settings(deadline=None, max_examples=200)
@given(typed_trees())
def test_values_stay_within_the_range(tree: Expression) -> None:
    """No sampled value lies outside of the bounds that are computed from the tree alone."""
    low, high = range_of(tree)
    assert all(low - 1e-9 * abs(value) - 1e-12 <= value <= high + 1e-9 * abs(value) + 1e-12 for value in values(tree))


@pytest.mark.parametrize("axis", OPENINGS)
def test_operators_return_trees_that_fit(axis: str) -> None:
    """Growth and every change of a tree stay within shape, range, growth and size of the opening."""
    rng, opening, found = random.Random(1), OPENINGS[axis], 0
    mates = [tree for key in SEEDS[axis] if (tree := seed_of(axis, key))]
    tree = None
    for _ in range(150):
        tree = varied(tree, mates, opening, rng) if tree else grown(opening, rng)
        found += tree is not None
        assert tree is None or (fault_of(tree, opening) == "" and tree.size <= MAX_SIZE)
    assert found > 60


@pytest.mark.parametrize(
    ("axis", "text", "message"),
    [
        ("decay", "softplus(h0)", "lies within"),
        ("decay", "mul(-1,softplus(s0))", "must read the token"),
        ("decay", "mul(-1,softplus(r))", "can't read r"),
        ("update", "exp(h0)", "lies within"),
        ("update", "sigmoid(k)", "one value per head"),
        ("value", "mul(v,sigmoid(k))", "mixes key channels"),
        ("value", "sigmoid(h0)", "must read v"),
        ("feature", "mul(z,z,z)", "grow with power 2"),
        ("gate", "mul(g0,relu(g0))", "grow with power 1"),
        ("decay", "norm(h0)", "needs channels"),
        ("position", "h0", "takes no formula"),
        ("decay", "quantum(h0)", "quantum"),
        ("decay", "mul(h0", "not a formula"),
        ("decay", "future", "can't read future"),
        ("decay", "h0)", "not a formula"),
        ("decay", "", "not a formula"),
    ],
)
def test_a_formula_that_does_not_fit_raises_value_error(axis: str, text: str, message: str) -> None:
    """Each gets one clear line."""
    with pytest.raises(ValueError, match=message) as error:
        formula_key(axis, text)
    assert "\n" not in str(error.value)


def test_a_key_is_canonical() -> None:
    """Two texts of one function have one key; a key that was edited is refused."""
    key = formula_key("decay", "mul(-1,softplus(add(h1,norm(k))))")
    assert key == formula_key("decay", "mul(softplus(add(norm(k),mul(-1,h0))),-1)")
    assert formula_of("decay", key).text == "mul(-1,softplus(add(h0,norm(k))))"
    with pytest.raises(ValueError, match="canonical form"):
        formula_of("decay", key.replace("#", "#0"))


@pytest.mark.parametrize(
    ("axis", "text", "key"),
    [
        ("update", "sigmoid(mul(-3,h1))", "delta"),
        ("update", "sigmoid(add(h0,a0,2))", "delta"),
        ("update", "mul(2,sigmoid(h0))", "delta_wide"),
        ("decay", "mul(-1,softplus(add(h0,mul(-1,s0))))", "sigmoid"),
        ("decay", "mul(-0.0625,softplus(c0))", "channel"),
        ("gate", "mul(g0,sigmoid(g0))", "silu"),
        ("feature", "mul(2,relu(z))", "relu"),
        ("value", "mul(0.5,v)", "none"),
    ],
)
def test_a_formula_of_a_named_unit_is_that_unit(axis: str, text: str, key: str) -> None:
    """So one function has one form; factors and terms that free parameters absorb make no difference."""
    assert formula_key(axis, text) == key


@pytest.mark.parametrize(
    ("axis", "text", "key"),
    [
        ("feature", "mul(z,add(softmax(z),softmax(mul(-1,z))))", "identity"),
        ("value", "add(v,relu(add(v,-1)))", "none"),
        ("read", "add(r,relu(add(r,-2)))", "plain"),
        ("decay", "mul(-1,softplus(add(h0,mul(-1,s0),relu(add(s0,-2)))))", "sigmoid"),
    ],
)
def test_a_formula_that_only_resembles_a_named_unit_stays_a_formula(axis: str, text: str, key: str) -> None:
    """Their fingerprints are equal: with two channels, or in a narrow range, the functions are too."""
    assert fingerprint(canonical(parse(text))) == fingerprint(parse(SEEDS[axis][key]))
    assert is_formula(formula_key(axis, text))


def test_a_formula_has_words() -> None:
    """People read it in the notation of the field."""
    tree = parse("mul(-1,exp(a0),softplus(add(h0,mul(-1,s0))))")
    assert in_words(tree) == "−exp(a)·softplus(w x_t − b)"
    assert in_words(parse("mul(sigmoid(norm(z)),z)")) == "σ(‖z‖)·z"
    assert in_words(parse("sigmoid(add(dot(q,k),mean(h0)))")) == "σ(⟨q_t, k_t⟩ + mean≤t(w x_t))"


def test_a_pickled_tree_is_found_in_another_process() -> None:
    """Hashes of texts differ between processes, so a tree brings none with it."""
    text = "mul(-1,softplus(add(h0,mul(-1,s0))))"
    program = (
        "import pickle, sys; from agents.design.formulas.expression import parse;"
        f"tree = pickle.loads(sys.stdin.buffer.read()); sys.exit(tree not in {{parse({text!r})}})"
    )
    pickled = pickle.dumps(parse(text))
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program], input=pickled, env={**os.environ, "PYTHONHASHSEED": seed}, check=True
        )
