"""The repairer: it never raises, describes its change, and falls back on the grammar if the design is known."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.admission.static_check import check
from agents.design import BASELINES, ConvolutionPath, Design, MemoryPath, WindowPath, draw_design, render
from agents.repair import Repair, repair
from agents.repair.rules import RULES
from agents.repair.symptom import Symptom

DELTA = BASELINES["gated-deltanet"].design
BOTH = Design(
    (MemoryPath(read="mean", feature="elu1"), WindowPath(), ConvolutionPath()), fusion="router", inner="double"
)
REASONS = st.sampled_from(
    [
        "syntax", "import", "signature", "error", "causality", "batch_leak", "nonfinite", "no_gradient", "bad_output",
        "superlinear", "length_dependence", "unbounded_state", "timeout", "limit:memory", "anomaly:diverged",
        "anomaly:too_slow", "anomaly:stalled", "anomaly:memory_growth", "whatever",
    ]
)  # fmt: skip


def repair_after(source: str, design: Design | None, reason: str, message: str = "", tail: str = "") -> Repair | None:
    """Return the repair after a failure, with a fixed seed."""
    return repair(source, reason, message, tail, design, random.Random(0))


def repair_by_grammar(design: Design, reason: str, message: str = "", tail: str = "") -> Design:
    """Return the design after a repair of its own rendering."""
    repaired = repair_after(render(design).source, design, reason, message, tail)
    assert repaired is not None
    assert repaired.repaired_by == "grammar"
    assert repaired.design is not None
    assert repaired.source == render(repaired.design).source
    return repaired.design


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), REASONS, st.text(max_size=60))
def test_a_rendered_design_is_always_repaired(seed: int, reason: str, message: str) -> None:
    """Whatever the failure, the grammar returns a different valid design."""
    design = draw_design(random.Random(seed))
    child = repair_by_grammar(design, reason, message)
    assert child != design
    assert check(render(child).source) is None


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="()[]{}:,.=+-* \n\tdefclass'\"\\\0#@é") | st.text(), REASONS, st.text(max_size=80))
def test_no_text_raises(source: str, reason: str, message: str) -> None:
    """Arbitrary sources and messages give another source or None."""
    repaired = repair_after(source, None, reason, message, f'File "architecture.py", line 1\n{message}')
    assert repaired is None or repaired.source != source


MESSAGES = st.sampled_from(
    [
        "name 'F' is not defined", "shapes cannot be multiplied (8x32 and 64x32)",
        "shape '[2, 3]' is invalid for input of size 7", "view size is not compatible",
        "tuple object has no attribute 'view'", "modified by an inplace operation", "Half",
        "'Mixer' object has no attribute 'gate'", "input (2, 16, 32) gave output (2, 16, 2, 16)",
        "log_decay must be <= 0", "input (2, 16, 32) gave output (5,)", "No module named 'einops.x'", "cuda",
        "causal", "nan", "no gradient", "NoneType",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(BASELINES)), st.data(), REASONS, MESSAGES)
def test_damaged_sources_never_raise(name: str, data: st.DataObject, reason: str, message: str) -> None:
    """No rule raises for a real source with a hole in it, whatever the message."""
    source = BASELINES[name].source
    start = data.draw(st.integers(0, len(source)))
    damaged = source[:start] + source[start + data.draw(st.integers(0, 40)) :]
    for rule in RULES:
        rule(Symptom(damaged, reason, message))


def test_the_traceback_s_line_names_the_unit() -> None:
    """After an error in a unit's line, that unit is replaced and the others stay."""
    rendered = render(DELTA)
    line = rendered.units.index("decay:scalar") + 1
    child = repair_by_grammar(
        DELTA, "error", "RuntimeError: boom", f'  File "architecture.py", line {line}, in forward\n    ...'
    )
    assert child.paths[0].choices["decay"] == "none"
    assert child.paths[0].choices["update"] == "delta"


def test_frames_of_libraries_are_skipped() -> None:
    """The innermost line of the candidate counts, not one of a library that it calls."""
    tail = 'File "architecture.py", line 3, in forward\nFile "/x/site-packages/torch/nn/linear.py", line 2, in forward'
    assert Symptom("a\nb\nc\nd\n", "error", "", tail).line == 3


@pytest.mark.parametrize("reason", ["anomaly:too_slow", "timeout", "limit:memory"])
def test_a_design_that_costs_too_much_loses_a_path(reason: str) -> None:
    """Dropping a path saves the most time and memory."""
    assert len(repair_by_grammar(BOTH, reason).paths) == 2


def test_a_design_that_is_not_finite_loses_its_divisor() -> None:
    """A read with a divisor is the most likely cause of infinite values."""
    child = repair_by_grammar(BOTH, "nonfinite", "output at length 161")
    assert child.paths[0].choices["read"] == "plain"


@pytest.mark.parametrize(
    "statement",
    ["self.kept.append(o)", "self.kept += [o]", "self.kept = torch.cat((self.kept, o))", "self.kept[o.shape].add(o)"],
)
def test_a_statement_that_grows_an_attribute_is_dropped(statement: str) -> None:
    """The rest of the source stays; the rule does not change a source in which nothing grows."""
    source = BASELINES["gla"].source
    growing = source.replace("        return ", f"        {statement}\n        return ")
    repaired = repair_after(growing, None, "anomaly:memory_growth", "memory grows by 40 MiB in 100 steps")
    assert repaired is not None
    assert repaired.source == growing.replace(statement, "pass")
    assert repair_after(source, None, "anomaly:memory_growth") is None


@pytest.mark.parametrize(
    ("statements", "repaired"),
    [
        ("ramp = torch.arange(t) / t", "ramp = torch.arange(t) / 128.0"),
        ("n = x.size(1)\n        ramp = torch.arange(n) / max(n - 1, 1)", "ramp = torch.arange(n) / 128.0"),
        ("ramp = torch.arange(t) / x.shape[1] ** 0.5", "ramp = torch.arange(t) / 128.0"),
        ("ramp = torch.linspace(0, 1, t)", "ramp = (0 + (1 - 0) * torch.arange(t) / 128.0)"),
        ("ramp = torch.arange(t, 0, -1)", "ramp = torch.arange(0, t)"),
        ("ramp = x.cumsum(1) / torch.arange(1, t + 1) / t", "ramp = x.cumsum(1) / torch.arange(1, t + 1) / 128.0"),
    ],
)
def test_a_constant_takes_the_place_of_the_length(statements: str, repaired: str) -> None:
    """Divisions by the length change, and no other use of it."""
    source = "class M:\n    def forward(self, x):\n        b, t, d = x.shape\n        {}\n        return x * ramp\n"
    fix = repair_after(source.format(statements), None, "length_dependence")
    assert fix is not None
    assert repaired in fix.source.splitlines()[-2]
    assert "torch.arange" in fix.source


@pytest.mark.parametrize("statement", ["memory[key] = x", "memory.setdefault(key, x)", "memory[key] += x"])
def test_a_dictionary_of_what_was_read_is_not_written(statement: str) -> None:
    """Reading it stays: it gives what an empty dictionary gives."""
    source = "class M:\n    def forward(self, x):\n        memory = {{}}\n        {}\n        return memory.get(1, x)\n"
    fix = repair_after(source.format(statement), None, "unbounded_state")
    assert fix is not None
    assert fix.source == source.format("pass")


def test_an_edited_rendering_is_restored() -> None:
    """If no rule repairs an edited source of a known design, the repairer renders the design again."""
    source = render(DELTA).source.replace("return self.o_proj(o)", "return self.o_proj(o) @ nothing()")
    repaired = repair_after(source, DELTA, "error", "RuntimeError: something unknown")
    change = "rendered the design again: its text had been edited"
    assert repaired == Repair(render(DELTA).source, change, "grammar", DELTA)


def test_without_rule_or_design_there_is_no_repair() -> None:
    """If a source has no design and its failure is unknown, there is none."""
    assert repair_after("import torch\n", None, "error", "something unknown") is None


def test_repairs_are_deterministic() -> None:
    """The same failure under the same seed gives the same repair."""
    source = render(BOTH).source
    assert repair_after(source, BOTH, "unknown") == repair_after(source, BOTH, "unknown")


def test_a_rule_changes_only_its_own_lines() -> None:
    """The other lines stay, with comments and layout."""
    source = BASELINES["gla"].source.replace("import torch.nn.functional as F\n", "")
    repaired = repair_after(source, None, "error", "NameError: name 'F' is not defined")
    assert repaired is not None
    assert set(source.splitlines()) <= set(repaired.source.splitlines())
    assert len(repaired.source.splitlines()) == len(source.splitlines()) + 1
