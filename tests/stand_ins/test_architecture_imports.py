"""Import statements of an architecture give stand-ins for packages that can't run here; no other module sees them."""

import importlib.util
import sys

import pytest
import torch

from sandbox import JailFault
from stand_ins import fla
from stand_ins.fla.modules import RMSNorm
from stand_ins.fla.ops.recurrences import gla
from trainer.candidate.adapter import mixer_factory
from trainer.candidate.load import execute, parse_source
from trainer.gates import LoadError, load_mixer, run_gates

LAYER = """
{imports}
import torch


class Layer(torch.nn.Module):
    def __init__(self, hidden_size, num_heads):
        super().__init__()
        self.proj = torch.nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        return {output}
"""


def names_of(source: str) -> dict:
    """Execute a source and return its names with their values."""
    return vars(execute(parse_source(source)))


@pytest.mark.parametrize(
    "statement",
    [
        "from fla.ops.gla import chunk_gla as gla",
        "from fla.ops import chunk_gla as gla",
        "from fla.ops.gla.a_later_module import chunk_gla as gla",
        "import fla.ops.gla\ngla = fla.ops.gla.chunk_gla",
        "import fla.ops.gla as operators\ngla = operators.chunk_gla",
        "def later():\n    from fla.ops.gla import chunk_gla\n    return chunk_gla\ngla = later()",
    ],
)
def test_a_name_can_be_imported_in_any_form(statement: str):
    """Any module of its area has it, in any form of statement and at any time."""
    assert names_of(statement)["gla"] is gla


def test_a_module_and_a_function_may_have_the_same_name():
    """`l2norm` is a function of the module `l2norm`."""
    names = names_of(
        "from fla.modules.l2norm import l2norm\nfrom fla.modules import RMSNorm\nimport fla.modules.l2norm"
    )
    assert names["RMSNorm"] is RMSNorm
    assert names["l2norm"](torch.ones(1, 4)).shape == (1, 4)


def test_only_an_architecture_sees_the_stand_ins():
    """All other modules get the packages of these names as they are, installed or not."""
    modules = {name: sys.modules.get(name) for name in ("fla", "transformers", "flash_attn")}
    names_of("import fla.modules\nfrom transformers.utils import logging\nfrom flash_attn import flash_attn_func")
    assert {name: sys.modules.get(name) for name in modules} == modules
    assert importlib.util.find_spec("fla") is None
    assert fla.__name__ == "stand_ins.fla"


@pytest.mark.parametrize("use", ["chunk_missing(1)", "class Own(chunk_missing): pass"])
def test_a_missing_name_raises_when_it_is_used(use: str):
    """The error has one line and the reason of an import error; the import alone raises nothing."""
    source = "from fla.ops.missing import chunk_missing\nkind: chunk_missing | None = None\n"
    assert not isinstance(1, names_of(source)["chunk_missing"])
    with pytest.raises(LoadError, match=r"the stand-in for fla has no fla\.ops\.missing\.chunk_missing$") as caught:
        names_of(source + use)
    assert caught.value.reason == "import_error"


def test_a_missing_name_in_a_forward_pass_is_an_import_error():
    """The reason is not that of an error in the layer."""
    source = LAYER.format(imports="from fla.ops.missing import f", output="f(self.proj(hidden_states))")
    layer = load_mixer(source)
    with pytest.raises(JailFault, match=r"import_error: the stand-in for fla has no fla\.ops\.missing\.f$"):
        run_gates(mixer_factory(layer), 8, 2, seed=0)


def test_a_guarded_import_of_a_missing_name_fails_at_once():
    """So the file uses its own fallback."""
    source = "try:\n    from fla.ops.missing import f\nexcept ImportError as error:\n    f = str(error)\n"
    assert names_of(source)["f"] == "the stand-in for fla has no fla.ops.missing.f"


def test_a_relative_import_is_relative_to_the_layers_of_fla():
    """One dot is the folder of layers, two dots are fla itself."""
    names = names_of("from .utils import pad_input\nfrom ..modules import RMSNorm\nfrom ..ops.gla import chunk_gla")
    assert (names["RMSNorm"], names["chunk_gla"]) == (RMSNorm, gla)
    assert names["pad_input"](torch.ones(1, 2), torch.tensor([1]), 1, 2).tolist() == [[[0, 0], [1, 1]]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels can run on this GPU")
def test_a_guarded_import_of_triton_fails_without_a_gpu():
    """So the file uses its own fallback without kernels."""
    source = "try:\n    import triton\nexcept ImportError as error:\n    triton = str(error)\n"
    assert names_of(source)["triton"] == "triton has no GPU to run on"


def test_operators_have_the_layout_that_a_file_was_written_for():
    """A file that puts heads before time gets operators of that layout, unless it passes `head_first` itself."""
    q, k, v = (torch.rand(1, 2, 5, 4) for _ in range(3))
    source = "from einops import rearrange\nfrom fla.ops.gla import chunk_gla\n"
    heads_first = source + "def split(x):\n    return rearrange(x, 'b l (h d) -> b h l d', h=2)\n"
    head_first, _ = gla(q, k, v, head_first=True)
    time_first, _ = gla(q, k, v)
    assert torch.equal(names_of(heads_first)["chunk_gla"](q, k, v)[0], head_first)
    assert torch.equal(names_of(source)["chunk_gla"](q, k, v)[0], time_first)
    explicit = heads_first + "def run(*args):\n    return chunk_gla(*args, head_first=False)\n"
    assert torch.equal(names_of(explicit)["run"](q, k, v)[0], time_first)


def test_packages_without_a_stand_in_are_imported_as_usual():
    """Python's own import finds them."""
    names = names_of("import math\nfrom einops import rearrange\nimport torch.nn.functional as F")
    assert (names["math"], names["F"]) == (sys.modules["math"], torch.nn.functional)


def test_names_of_transformers_do_what_layers_need():
    """Layers need a logger with `warning_once`, activations by name, and a configuration with the given attributes."""
    names = names_of(
        "from transformers.utils import logging\nfrom transformers.activations import ACT2FN\n"
        "from transformers.configuration_utils import PretrainedConfig\n"
        "from transformers.modeling_utils import PreTrainedModel, _init_weights\n"
        "logging.get_logger('x').warning_once('y')\n"
        "class Config(PretrainedConfig):\n    model_type = 'own'\n"
        "class Model(PreTrainedModel):\n    config_class = Config\n"
        "model = Model(Config(hidden_size=3))\n"
    )
    assert names["model"].config.to_dict() == {"hidden_size": 3}
    assert torch.equal(names["ACT2FN"]["relu"](torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
