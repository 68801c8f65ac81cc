"""Designs with formulas: they render, pass the gates, have a distance, and leave older campaigns as they were."""

import ast
import random
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.admission.static_check import check
from agents.design import BASELINES, Design, MemoryPath, draw_design, motivation, name, render, tree, unit_labels, vary
from agents.design.bias import Bias
from agents.design.equivalence import normal_form
from agents.design.formulas.breeding import formulas_of, vary_formula, vary_open
from agents.design.formulas.keys import formula_key
from agents.design.obeying import fulfils, obey
from agents.design.wishes import wish_of
from agents.roles.researcher import ResearcherSettings, settings_of
from agents.search.breeding import Donor, breed, draft
from agents.search.space import Grammar
from bus.vocabulary.design_edits import design_items, edits
from bus.vocabulary.events import ProposalRequested
from tests.support.compilers import real_compilers  # noqa: F401  (an autouse fixture)
from tests.support.factories import campaign_started
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer, run_gates

HUMANS = [baseline.design for baseline in BASELINES.values()]
DECAY = formula_key("decay", "mul(-1,exp(a0),softplus(add(h0,norm(k),mul(-1,s0))))")
LINE_LENGTH = 120


def distance(a: Design, b: Design) -> int:
    """Return the edits between two designs."""
    return edits(design_items(a.to_json()), design_items(b.to_json()))


def descendants(count: int) -> Iterator[Design]:
    """Yield drawn and human designs after one to three formula changes."""
    for seed in range(count):
        rng = random.Random(seed)
        design = draw_design(rng) if seed % 2 else rng.choice(HUMANS)
        for _ in range(1 + seed % 3):
            design = vary_formula(design, HUMANS, rng).design
        yield design


def test_formula_designs_render_and_pass_the_static_check() -> None:
    """300 random and mutated designs have tidy sources in short lines, survive JSON, and state their formulas."""
    opened = set()
    for design in descendants(300):
        source = render(design).source
        assert check(source) is None
        assert max(len(line) for line in source.splitlines()[1:]) <= LINE_LENGTH
        assert Design.from_json(design.to_json()) == design
        assert (ast.get_docstring(ast.parse(source)) or "").startswith(name(design))
        opened |= {label.split(":")[0] for label in formulas_of(design)}
    assert opened == {"decay", "update", "feature", "value", "read", "gate"}


@pytest.mark.parametrize("seed", range(5))
def test_formula_designs_pass_the_gates(seed: int) -> None:
    """They are causal, finite, deterministic and linear in cost (`benchmarks.false_alarms` has larger samples)."""
    source = render(list(descendants(seed + 1))[-1]).source
    finding = run_gates(mixer_factory(load_mixer(source)), 32, 2, 0)[-1]
    assert finding.passed, finding


def test_a_line_of_a_formula_gives_its_unit() -> None:
    """So repair by the grammar can replace it."""
    rendered = render(Design((MemoryPath(decay=DECAY),)))
    line = next(n for n, text in enumerate(rendered.source.splitlines(), 1) if "self.decay_h0(x)" in text)
    assert rendered.unit_at(line) == f"decay:{DECAY}"


def test_a_formula_is_described() -> None:
    """The docstring, the tree and the motivation have the formula; the name has a part of its fingerprint."""
    variation = vary_formula(BASELINES["gated-deltanet"].design, HUMANS, random.Random(3))
    (label,) = formulas_of(variation.design)
    unit = next(
        u
        for owner in (variation.design, *variation.design.paths)
        for a, u in owner.units.items()
        if f"{a}:{u.key}" == label
    )
    formula = unit.gist.split("formula, ")[1]
    assert formula in " ".join(render(variation.design).source.split())
    assert unit.gist in tree(variation.design)
    assert unit.tag in name(variation.design)
    text = motivation(variation, "gated-deltanet")
    assert "=" not in text.replace(formula, "")
    assert label.split("#")[1][:3] in unit.tag
    assert len(text.split()) <= 50


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_a_formula_changes_the_design(seed: int) -> None:
    """A child computes something else than its parent, and one seed gives one child."""
    rng = random.Random(seed)
    parent = draw_design(rng)
    child = vary_formula(parent, HUMANS, random.Random(seed))
    assert distance(child.design, parent) >= 1
    again = vary_formula(parent, HUMANS, random.Random(seed))
    assert (again, again.change, again.units) == (child, child.change, child.units)
    assert set(child.units) <= set(unit_labels(child.design))


def test_formulas_of_one_function_are_one_unit() -> None:
    """The distance compares functions: equal ones are no edit, however they are written; others are one."""
    texts = ("mul(-1,softplus(mul(h0,add(norm(k),h1))))", "mul(-1,softplus(add(mul(norm(k),h0),mul(h1,h0))))")
    a, b = (Design((MemoryPath(decay=formula_key("decay", text)),)) for text in texts)
    assert a != b
    assert distance(a, b) == 0
    assert distance(a, Design((MemoryPath(decay=DECAY),))) == 1
    assert distance(a, Design((MemoryPath(value=formula_key("value", "mul(v,sigmoid(h0))")),))) == 2


def test_without_formulas_every_draw_is_as_before() -> None:
    """A share of 0 draws nothing more."""
    for seed in range(100):
        parent = draw_design(random.Random(seed))
        assert vary_open(parent, HUMANS, random.Random(seed)) == vary(parent, HUMANS, random.Random(seed))


def test_logs_without_the_setting_have_no_formulas() -> None:
    """New campaigns record the share; what an older log lacks was off."""
    assert ResearcherSettings().formulas > 0
    older = settings_of(campaign_started(roles={"researcher": {"max_ideas": 3}}))
    assert (older.max_ideas, older.formulas, older.normal_forms, older.wished_grammar) == (3, 0.0, False, False)
    newer = settings_of(
        campaign_started(roles={"researcher": ResearcherSettings(formulas=0.4).model_dump(mode="json")})
    )
    assert (newer.formulas, newer.normal_forms) == (0.4, True)


def test_a_campaign_breeds_its_share_of_formulas() -> None:
    """The operator of such an idea names the axis; a policy's preference counts."""
    donors = [Donor("b-gla", BASELINES["gla"].design), Donor("b-deltanet", BASELINES["deltanet"].design)]

    def share(preferences: dict[str, float]) -> float:
        request = ProposalRequested(slot=1, arm="guided", preferences=preferences)
        ideas = [breed(request, donors, Bias(), (), random.Random(seed), Grammar(0.5)) for seed in range(80)]
        return sum((idea.operator or "").startswith("formula:") for idea in ideas) / len(ideas)

    assert share({}) == pytest.approx(0.5, abs=0.15)
    assert share({"formula": 0.0}) == 0


def test_a_wish_against_an_axis_rules_its_formulas_out() -> None:
    """Ruling out every decay takes a formula decay away; a wish against one unit leaves it."""
    design = Design((MemoryPath(decay=DECAY),))
    no_decay = wish_of(["no decay"])
    assert no_decay
    assert not fulfils(design, no_decay)
    assert obey(design, no_decay, random.Random(0)).paths[0].choices["decay"] == "none"
    no_retention = wish_of(["not decay:fixed"])
    assert no_retention
    assert fulfils(design, no_retention)


def test_a_wish_leaves_coined_formulas_and_normal_forms_on() -> None:
    """Ideas under a wish take both, as those without one do; in older campaigns they took neither."""
    wish, unit = wish_of(["avoid path:window"]), f"decay:{DECAY}"
    request = ProposalRequested(slot=1, arm="guided", wish=wish)
    donors = [Donor("b-gla", BASELINES["gla"].design)]

    def designs(*, wished: bool) -> list[Design]:
        grammar = Grammar(0.5, normal_forms=True, coined=(unit,), wished=wished)
        return [draft(request, donors, Bias(), random.Random(seed), grammar) for seed in range(80)]

    today, older = designs(wished=True), designs(wished=False)
    assert wish
    assert all(fulfils(design, wish) for design in today)
    assert [design for design in today if normal_form(design) != design] == []
    assert any(unit in formulas_of(design) for design in today)
    assert any(normal_form(design) != design for design in older)
    assert not any(unit in formulas_of(design) for design in older)


READ, MAP = formula_key("read", "mul(r,sigmoid(h0))"), formula_key("feature", "mul(z,sigmoid(norm(z)))")
EQUAL = {
    "a mean behind a norm": (Design((MemoryPath(feature="elu1", read="mean"),)), Design((MemoryPath(feature="elu1"),))),
    "a scaled read behind a norm": (Design((MemoryPath(read=READ),)), Design((MemoryPath(),))),
    "a scaled key before a norm": (Design((MemoryPath(feature=MAP, norm="l2"),)), Design((MemoryPath(norm="l2"),))),
    "silu behind linear taps": (
        Design((MemoryPath(convolution="qk", conv_activation="none", feature="silu"),)),
        Design((MemoryPath(convolution="qk"),)),
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_a_normal_form_computes_the_same(case: str) -> None:
    """With the same parameters, the outputs agree up to the norm's epsilon."""
    design, expected = EQUAL[case]
    assert normal_form(design) == expected
    mixers = [load_mixer(render(d).source)(32, 2).double() for d in (design, expected)]
    mixers[1].load_state_dict(mixers[0].state_dict(), strict=False)
    x = torch.randn(2, 40, 32, dtype=torch.float64)
    torch.testing.assert_close(mixers[0](x), mixers[1](x), atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    "design",
    [
        *HUMANS,
        Design((MemoryPath(feature="elu1", read="mean", present="skip"),)),
        Design((MemoryPath(feature="elu1", read="mean"),), output_norm="joint"),
        Design((MemoryPath(convolution="qkv", conv_activation="none", feature="silu"),)),
        Design((MemoryPath(feature=MAP),)),
    ],
)
def test_a_normal_form_keeps_what_makes_a_difference(design: Design) -> None:
    """Human designs, and choices whose effect no norm undoes."""
    assert normal_form(design) == design
