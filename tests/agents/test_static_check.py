"""The static check accepts every mixer in an accepted form, names the fault of any other source, and never raises."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.admission.static_check import SourceFault, check
from agents.design import HUMAN_DESIGNS, draw_design, render
from architecture.limits import MAX_SOURCE_CHARACTERS

GOOD = """
import torch
from torch import nn

HEADS = 4


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.proj = nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.proj(x)
"""


def test_a_plain_mixer_passes() -> None:
    """The smallest mixer has no fault."""
    assert check(GOOD) is None


def test_a_file_may_define_helper_modules() -> None:
    """A second module class that is not a mixer is no fault."""
    assert check(GOOD.replace("HEADS = 4", "class Helper(nn.Module):\n    pass")) is None


LAYER = """
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from transformers.cache_utils import Cache

__all__ = ["Layer"]
MODES = {"chunk": 1}


class Layer(nn.Module):
    def __init__(self, mode="chunk", hidden_size=64, num_heads=4, **kwargs):
        super().__init__()
        setattr(self, "proj", nn.Linear(hidden_size, hidden_size))

    def forward(self, hidden_states, attention_mask=None, past_key_values: Cache | None = None):
        return getattr(self, "proj")(hidden_states), None, past_key_values
"""


def test_a_published_layer_passes_as_it_is() -> None:
    """Imports for type checkers, a table at module level and attributes by name are no faults."""
    assert check(LAYER) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import warnings", "import os\n\nVERBOSE = os.environ.get('VERBOSE')"),
        ("import warnings", "import sys\n\nOLD = sys.version_info < (3, 9)"),
        ("import warnings", "try:\n    from causal_conv1d import causal_conv1d_fn\nexcept ImportError:\n    pass"),
        ("import warnings", "from transformers.utils import logging"),
        ("import warnings", "from .utils import get_layer_cache\nfrom ..modules import RMSNorm"),
        ("import warnings", "from torch.utils.checkpoint import checkpoint\nimport torch.distributed as dist"),
        ('mode="chunk", hidden_size=64, num_heads=4', "config, layer_idx"),
        ('mode="chunk", hidden_size=64, num_heads=4', "d_model, d_state=16"),
        ("forward(self, hidden_states", "forward(self, input"),
        (
            '        return getattr(self, "proj")',
            '        for step in range(3):\n            print(step)\n        return getattr(self, "proj")',
        ),
    ],
)
def test_the_forms_of_published_layers_pass(old: str, new: str) -> None:
    """System queries, guarded and relative imports, configurations, a width alone and builtin names pass."""
    assert old in LAYER
    source = LAYER.replace(old, new)
    assert check(source.replace("(hidden_states)", "(input)") if "input" in new else source) is None


def test_the_script_part_of_a_file_is_ignored() -> None:
    """The block under `if __name__ == "__main__"` does not run in the jail."""
    assert check(LAYER + '\nif __name__ == "__main__":\n    import subprocess\n    exec(open("x").read())\n') is None


@pytest.mark.parametrize(
    "condition", ['__name__ != "__main__"', "__name__", "self.TYPE_CHECKING", "flags.TYPE_CHECKING"]
)
def test_a_condition_that_resembles_one_which_never_holds_is_read(condition: str) -> None:
    """Only the two exact conditions leave a block out."""
    fault = check(LAYER + f"\nif {condition}:\n    import subprocess\n")
    assert fault
    assert "subprocess" in fault.message


@pytest.mark.parametrize(
    ("reason", "old", "new"),
    [
        ("import", "import warnings", "import subprocess"),
        ("import", "import warnings", "try:\n    import subprocess\nexcept ImportError:\n    pass"),
        ("import", "import warnings", "from os import system"),
        ("forbidden", "import warnings", "import os\n\nos.system('true')"),
        ("forbidden", 'getattr(self, "proj")', "eval('self.proj')"),
        ("signature", "hidden_size=64, num_heads=4", "*, hidden_size, num_heads, depth"),
    ],
)
def test_a_published_layer_that_can_not_work_is_refused(reason: str, old: str, new: str) -> None:
    """Missing packages, forbidden calls and required arguments that the trainer doesn't provide are faults."""
    assert old in LAYER
    fault = check(LAYER.replace(old, new))
    assert fault is not None
    assert fault.reason == reason


DERIVED = """
from fla.layers.gated_deltanet import GatedDeltaNet as Base

TABLE = {}


class Twice(Base):
    def forward(self, hidden_states, **kwargs):
        y, *rest = super().forward(hidden_states, **kwargs)
        return 2 * y, *rest


class Wider(Twice):
    def __init__(self, *args, reach=3, **kwargs):
        super().__init__(*args, **kwargs)
"""


def test_a_class_derived_from_a_layer_is_a_layer() -> None:
    """It inherits the constructor or passes its arguments on; a class derived from another base is no layer."""
    assert check(DERIVED) is None
    assert check(DERIVED.replace("fla.layers.gated_deltanet", ".gated_deltanet")) is None
    fault = check(DERIVED.replace("fla.layers.gated_deltanet", "fla.modules"))
    assert fault is not None
    assert fault.reason == "global_state"


def test_a_published_constructor_may_begin_as_the_native_one() -> None:
    """A constructor with width and heads but without the layer's number belongs to a published layer."""
    old = 'mode="chunk", hidden_size=64, num_heads=4'
    assert check(LAYER.replace(old, "d_model, n_heads, d_head, dropout=0.1")) is None
    assert check(LAYER.replace(old, "d_model, n_heads, layer_idx=0")) is not None


def test_helpers_of_a_published_layer_are_not_judged() -> None:
    """The layer builds a helper itself, so the trainer need not provide the helper's arguments."""
    helper = "class Filter(nn.Module):\n    def __init__(self, num_heads, dim, kernel):\n        super().__init__()\n"
    assert check(f"{LAYER}\n\n{helper}") is None


@pytest.mark.parametrize("name", HUMAN_DESIGNS)
def test_baselines_pass(name: str) -> None:
    """No human baseline has a fault."""
    assert check(HUMAN_DESIGNS[name].source) is None


def test_designs_pass() -> None:
    """No source that the grammar renders has a fault."""
    rng = random.Random(5)
    assert [check(render(draw_design(rng)).source) for _ in range(40)] == [None] * 40


@pytest.mark.parametrize(
    ("reason", "old", "new"),
    [
        ("syntax", "def forward(self, x):", "def forward(self, x)"),
        ("import", "import torch\n", "import os\n"),
        ("import", "import torch\n", "import torch.utils.cpp_extension\n"),
        ("import", "import torch\n", "from torch import hub\n"),
        ("import", "import torch\n", "from . import secrets\n"),
        ("import", "from torch import nn", "from torch import *"),
        ("no_module", "nn.Module", "object"),
        (
            "several_modules",
            "HEADS = 4",
            "class Other(nn.Module):\n    def __init__(self, d_model, n_heads):\n        pass",
        ),
        ("signature", "self, d_model, n_heads, layer_idx=0", "self, width, parts"),
        ("signature", "self, d_model, n_heads, layer_idx=0", "self, d_model, n_heads, layer_idx=0, *, depth"),
        ("signature", "def forward(self, x)", "def forward(self, x, mask)"),
        ("signature", "def forward(self, x)", "def call(self, x)"),
        ("forbidden", "return self.proj(x)", "return eval('x')"),
        ("forbidden", "return self.proj(x)", "return open('/etc/passwd')"),
        ("forbidden", "return self.proj(x)", "return x.__class__"),
        ("forbidden", "return self.proj(x)", "return torch.load('x')"),
        ("forbidden", "return self.proj(x)", "for i in range(9):\n            print(i)\n        return x"),
        ("global_state", "HEADS = 4", "HEADS = []"),
        ("global_state", "HEADS = 4", "torch.set_num_threads(8)"),
        ("global_state", "HEADS = 4", "for i in range(3):\n    pass"),
        ("global_state", "return self.proj(x)", "global HEADS\n        return x"),
    ],
)
def test_faults_are_named(reason: str, old: str, new: str) -> None:
    """Each kind of fault has its reason code, a message of one line and its line number."""
    assert old in GOOD
    fault = check(GOOD.replace(old, new))
    assert isinstance(fault, SourceFault)
    assert fault.reason == reason
    assert "\n" not in fault.message
    assert reason == "no_module" or fault.line is not None


def test_lines_of_faults_count_from_one() -> None:
    """They are the line numbers of an editor."""
    fault = check(GOOD.replace("return self.proj(x)", "return eval('x')"))
    assert fault is not None
    assert GOOD.splitlines()[(fault.line or 0) - 1].strip() == "return self.proj(x)"


@pytest.mark.parametrize(
    "source",
    [
        "", "\0", "a\0b", "\ud800", "(" * 5000, "-" * 20_000 + "1", "a" + ".b" * 60_000, "1" + "+1" * 60_000,
        "[" * 150 + "]" * 150, "x" * (MAX_SOURCE_CHARACTERS + 1), "if x:\n" * 90, "\\", "'''", "f'{" * 50,
        "lambda:" * 9000 + "0", "# coding: nonsense\n", "\xff\ufeff",
    ],
)  # fmt: skip
def test_hostile_texts_are_faults(source: str) -> None:
    """Texts that break parsers get a fault and raise nothing."""
    assert isinstance(check(source), SourceFault)


@settings(deadline=None, max_examples=150)
@given(st.text() | st.text(alphabet="()[]{}:,.=+-*lambda \n\tdefclass'\"\\\0#@"))
def test_no_text_raises(source: str) -> None:
    """Arbitrary text gets a fault or none."""
    fault = check(source)
    assert fault is None or fault.reason


def test_a_nul_character_is_named_with_its_line() -> None:
    """Python's own message says neither."""
    fault = check("import torch\n\nx = '\0'\n")
    assert fault
    assert (fault.reason, fault.message, fault.line) == ("syntax", "not valid Python: a NUL character", 3)
