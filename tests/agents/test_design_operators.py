"""Genetic operators: proportions, novelty, determinism, and the effect of guidance."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.design import (
    BASELINES,
    NEUTRAL,
    Bias,
    Design,
    Variation,
    bias_from_text,
    crossover,
    draw_design,
    from_scratch,
    motivation,
    mutate,
    render,
    unit_labels,
    vary,
)
from agents.design.tree import WindowPath
from agents.design.variation import Change

PARENT = BASELINES["gated-deltanet"].design
SEEDS = st.integers(0, 2**32)


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_a_child_differs_from_its_parents(seed: int) -> None:
    """No operator returns a design that it started from."""
    rng = random.Random(seed)
    a, b = draw_design(rng), draw_design(rng)
    assert mutate(a, rng).design != a
    assert crossover(a, b, rng).design not in (a, b)
    assert crossover(a, a, rng).design != a


def test_one_seed_gives_one_sequence() -> None:
    """Variations depend on the random state alone."""
    mates = [baseline.design for baseline in BASELINES.values()]

    def descendants(seed: int) -> list[tuple[Variation, str, tuple[str, ...]]]:
        rng, design, variations = random.Random(seed), PARENT, []
        for _ in range(20):
            child = vary(design, mates, rng)
            variations.append((child, child.change, child.units))
            design = child.design
        return variations

    assert descendants(1) == descendants(1)
    assert descendants(1) != descendants(2)


def test_the_operators_have_their_proportions() -> None:
    """Of many variations, about 80 in 100 are mutations, 15 crossovers and 5 designs from scratch."""
    rng, mates = random.Random(0), [baseline.design for baseline in BASELINES.values()]
    kinds = Counter(vary(PARENT, mates, rng).operator.split(":")[0] for _ in range(1500))
    assert kinds["mutate"] / 1500 == pytest.approx(0.80, abs=0.04)
    assert kinds["crossover"] / 1500 == pytest.approx(0.15, abs=0.03)
    assert kinds["scratch"] / 1500 == pytest.approx(0.05, abs=0.02)


def test_without_a_mate_there_is_no_crossover() -> None:
    """A design can't be crossed with itself."""
    rng = random.Random(0)
    assert not any(vary(PARENT, [PARENT], rng).operator == "crossover" for _ in range(200))


def test_a_mutation_describes_its_change() -> None:
    """The operator names the axis; the new units are in the child and were not in the parent."""
    rng = random.Random(3)
    for _ in range(200):
        child = mutate(PARENT, rng)
        new_units = [unit for unit in child.units if unit != "path:drop"]
        assert child.operator.startswith("mutate:")
        assert child.change
        assert set(new_units) <= set(unit_labels(child.design))


def test_mutations_reach_most_axes() -> None:
    """Mutations can change every kind of axis of the parent."""
    rng = random.Random(0)
    axes = {mutate(PARENT, rng).operator.split(":")[1] for _ in range(1500)}
    assert axes >= {"path", "decay", "update", "convolution", "feature", "norm", "position", "gate", "entry", "inner"}


def test_no_bias_makes_a_path_likelier_to_go() -> None:
    """A text may name any unit; dropping a path brings none in, so its share stays."""
    two = Design((*PARENT.paths, WindowPath()))
    bias = Bias({"path:drop": 6.0})
    assert [mutate(two, random.Random(n), bias) for n in range(60)] == [
        mutate(two, random.Random(n)) for n in range(60)
    ]


def share(unit: str, bias: Bias) -> float:
    """Return the share of the parent's mutations whose child has the unit."""
    rng = random.Random(9)
    return sum(unit in unit_labels(mutate(PARENT, rng, bias).design) for _ in range(600)) / 600


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("please try a sliding window", "path:window"),
        ("forget per channel, as in decay:channel", "decay:channel"),
        ("what about rotary positions?", "position:rotary"),
        ("use a softmax router over several paths", "fusion:router"),
        ("token shift!", "entry:shift"),
        ("negative eigenvalues for state tracking", "update:delta_wide"),
    ],
)
def test_guidance_shifts_what_mutations_choose(text: str, unit: str) -> None:
    """Guidance makes its unit at least twice as frequent."""
    assert share(unit, bias_from_text([text])) > 2 * share(unit, NEUTRAL) > 0


def test_guidance_against_a_unit_makes_it_rare() -> None:
    """Its share of the mutations falls below a third."""
    bias = bias_from_text(["please no window any more"])
    assert bias.matches == ("window",)
    assert share("path:window", bias) < share("path:window", NEUTRAL) / 3


def test_motivations_are_short() -> None:
    """A motivation is a text of whole sentences, of 50 words at most."""
    rng = random.Random(1)
    for _ in range(200):
        child = vary(PARENT, [BASELINES["gla"].design], rng)
        text = motivation(child, "gated-deltanet", ["more recall, please"])
        assert 8 <= len(text.split()) <= 50
        assert text[0].isupper()
        assert text.endswith(".")


def test_two_mutations_have_two_motivations() -> None:
    """Different children of one parent have different motivations."""
    rng, texts = random.Random(1), {}
    for _ in range(300):
        child = mutate(PARENT, rng)
        texts.setdefault(child.design, motivation(child, "gated-deltanet"))
    assert len(set(texts.values())) > 0.97 * len(texts)
    assert len({text.split(".")[0] for text in texts.values()}) > 30


def test_guidance_is_quoted() -> None:
    """The motivation quotes the guidance that had an effect, if there is room."""
    child = Variation(Design(gate="silu"), "mutate:gate", lambda: Change("", ("gate:silu",)))
    assert "try gates" in motivation(child, "gla", ["try gates"])


def test_scratch_is_drawn_from_the_whole_space() -> None:
    """Designs from scratch rarely repeat."""
    rng = random.Random(0)
    assert len({render(from_scratch(rng).design).source for _ in range(100)}) > 95
