"""The repairer: never raises, says what it did, and falls back on the grammar where the design is known."""

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
        "superlinear", "timeout", "limit:memory", "anomaly:diverged", "anomaly:too_slow", "anomaly:stalled",
        "anomaly:memory_growth", "whatever",
    ]
)  # fmt: skip


def failed(source: str, design: Design | None, reason: str, message: str = "", tail: str = "") -> Repair | None:
    """The answer to a failure, with a fixed seed."""
    return repair(source, reason, message, tail, design, random.Random(0))


def by_grammar(design: Design, reason: str, message: str = "", tail: str = "") -> Design:
    """The design after a repair of its own rendering."""
    answer = failed(render(design).source, design, reason, message, tail)
    assert answer is not None
    assert answer.repaired_by == "grammar"
    assert answer.design is not None
    assert answer.source == render(answer.design).source
    return answer.design


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), REASONS, st.text(max_size=60))
def test_a_known_design_always_gets_another_one(seed: int, reason: str, message: str) -> None:
    """Whatever went wrong, the grammar answers with a different valid design."""
    design = draw_design(random.Random(seed))
    child = by_grammar(design, reason, message)
    assert child != design
    assert check(render(child).source) is None


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="()[]{}:,.=+-* \n\tdefclass'\"\\\0#@é") | st.text(), REASONS, st.text(max_size=80))
def test_no_text_raises(source: str, reason: str, message: str) -> None:
    """Arbitrary sources and messages are answered, if only with None."""
    answer = failed(source, None, reason, message, f'File "architecture.py", line 1\n{message}')
    assert answer is None or answer.source != source


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
    """A real source with a hole in it, under any message, is answered without an exception."""
    source = BASELINES[name].source
    start = data.draw(st.integers(0, len(source)))
    damaged = source[:start] + source[start + data.draw(st.integers(0, 40)) :]
    for rule in RULES:
        rule(Symptom(damaged, reason, message))


def test_the_traceback_s_line_names_the_unit() -> None:
    """An error inside a unit's line replaces that unit and leaves the others."""
    rendered = render(DELTA)
    line = rendered.units.index("decay:scalar") + 1
    child = by_grammar(
        DELTA, "error", "RuntimeError: boom", f'  File "architecture.py", line {line}, in forward\n    ...'
    )
    assert child.paths[0].choices["decay"] == "none"
    assert child.paths[0].choices["update"] == "delta"


def test_frames_of_libraries_are_passed_over() -> None:
    """The innermost line of the candidate counts, not that of a library below it."""
    tail = 'File "architecture.py", line 3, in forward\nFile "/x/site-packages/torch/nn/linear.py", line 2, in forward'
    assert Symptom("a\nb\nc\nd\n", "error", "", tail).line == 3


@pytest.mark.parametrize("reason", ["anomaly:too_slow", "timeout", "limit:memory"])
def test_what_is_too_heavy_loses_a_path(reason: str) -> None:
    """Time and memory are saved where they go: a path at a time."""
    assert len(by_grammar(BOTH, reason).paths) == 2


def test_what_is_not_finite_loses_its_divisor() -> None:
    """A divided read is the first suspect of infinities."""
    child = by_grammar(BOTH, "nonfinite", "output at length 161")
    assert child.paths[0].choices["read"] == "plain"


@pytest.mark.parametrize(
    "statement",
    ["self.kept.append(o)", "self.kept += [o]", "self.kept = torch.cat((self.kept, o))", "self.kept[o.shape].add(o)"],
)
def test_what_every_call_keeps_is_kept_no_longer(statement: str) -> None:
    """The statement goes, all else stays; where nothing grows, the rule has nothing to say."""
    source = BASELINES["gla"].source
    hoard = source.replace("        return ", f"        {statement}\n        return ")
    answer = failed(hoard, None, "anomaly:memory_growth", "memory grows by 40 MiB in 100 steps")
    assert answer is not None
    assert answer.source == hoard.replace(statement, "pass")
    assert failed(source, None, "anomaly:memory_growth") is None


def test_an_edited_rendering_is_restored() -> None:
    """A text that no rule can mend, of a known design, is rendered anew."""
    source = render(DELTA).source.replace("return self.o_proj(o)", "return self.o_proj(o) @ nothing()")
    answer = failed(source, DELTA, "error", "RuntimeError: something odd")
    assert answer == Repair(
        render(DELTA).source, "rendered the design anew: its text had been edited", "grammar", DELTA
    )


def test_without_rule_or_design_there_is_no_answer() -> None:
    """An unknown failure of a stranger's source is left to others."""
    assert failed("import torch\n", None, "error", "something odd") is None


def test_repairs_are_deterministic() -> None:
    """The same failure under the same seed gets the same answer."""
    source = render(BOTH).source
    assert failed(source, BOTH, "odd") == failed(source, BOTH, "odd")


def test_what_is_untouched_stays() -> None:
    """A text rule changes its own place and leaves comments and layout alone."""
    source = BASELINES["gla"].source.replace("import torch.nn.functional as F\n", "")
    answer = failed(source, None, "error", "NameError: name 'F' is not defined")
    assert answer is not None
    assert set(source.splitlines()) <= set(answer.source.splitlines())
    assert len(answer.source.splitlines()) == len(source.splitlines()) + 1
