"""The candidate: the trainer chooses its class, builds it by its argument names, and finds a way to call it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from agents.admission.static_check import check
from architecture.imports import INTERNAL_PACKAGES
from trainer.candidate.adapter import mixer_factory
from trainer.candidate.calling import Call, FlaMixer, in_bfloat16, negotiate_call, unchanged, under_autocast
from trainer.candidate.construction import build_layer, is_fla_style
from trainer.gates import LoadError, load_mixer, run_gates

LAYERS = Path(__file__).parents[1] / "stand_ins" / "layers"
WIDTH, HEADS = 32, 2


@pytest.mark.parametrize("specimen", sorted(LAYERS.glob("*.py")), ids=lambda path: path.stem)
def test_an_fla_style_layer_passes_every_gate(specimen: Path):
    """The trainer builds it by its argument names and calls it with hidden states only; the gates are the same."""
    assert check(specimen.read_text()) is None
    layer = load_mixer(specimen.read_text())
    assert is_fla_style(layer)
    factory = mixer_factory(layer)
    findings = run_gates(factory, WIDTH, HEADS, seed=0, depth=2)
    assert [finding for finding in findings if not finding.passed] == []


@pytest.mark.parametrize("package", sorted(INTERNAL_PACKAGES))
def test_the_projects_own_packages_are_refused(package: str):
    """The error names the package and the line of the statement."""
    with pytest.raises(LoadError, match=f"line 2: an architecture may not import {package}.x") as caught:
        load_mixer(f"import torch\nfrom {package}.x import y\n")
    assert caught.value.reason == "import_error"


@pytest.mark.parametrize(
    ("specimen", "name"),
    [
        ("delta_net_fir_fusion", "DeltaNet"),
        ("rwkv_time_mix", "RWKV6Attention"),
        ("windowed_delta_hybrid", "DeltaNet"),
        ("delta_net_half_memory", "DeltaNet"),
        ("layer_block_and_model", "DeltaNet"),
        ("from_a_configuration", "MeanMixer"),
        ("blocks_all_the_way", "DecayBlock"),
    ],
)
def test_the_layer_is_chosen_among_the_modules_of_its_file(specimen: str, name: str):
    """Helpers may take a width and heads, base classes may pass arguments on, and a class may have two names."""
    assert load_mixer((LAYERS / f"{specimen}.py").read_text()).__name__ == name


class WideLayer(nn.Module):
    def __init__(self, config=None, n_embd=1024, n_head=16, gate_dim=128, kernel_size=63, num_heads=None, v_first=None):
        super().__init__()
        self.arguments = (n_embd, n_head, gate_dim, kernel_size, num_heads, config)

    def forward(self, x, v_first=None):
        return x


def test_a_constructor_gets_the_arguments_that_it_names():
    """Inner sizes shrink to the width, kernel sizes stay, and a width has priority over a configuration."""
    assert build_layer(WideLayer, 32, 2, 1).arguments == (32, 2, 32, 63, 2, None)


class NumberedLayer(nn.Module):
    def __init__(self, dim, layer_idx):
        super().__init__()
        self.layer_idx = layer_idx

    def forward(self, x, v_first=None):
        return x


def test_a_layer_that_takes_the_first_layers_values_is_built_as_the_first():
    """The trainer tests every layer by itself, so no other layer provides these values."""
    assert build_layer(NumberedLayer, 32, 2, 1).layer_idx == 0


def test_half_precision_by_name_is_single_precision():
    """The file's own casts have no effect, and the output has the caller's dtype."""
    layer = load_mixer((LAYERS / "lowered_by_name.py").read_text())
    assert negotiate_call(build_layer(layer, WIDTH, HEADS, 0), WIDTH) is unchanged
    assert mixer_factory(layer)(WIDTH, HEADS, 0)(torch.randn(2, 5, WIDTH)).dtype == torch.float32


LOWERED = """
import torch
from torch import nn

class Lowered(nn.Module):
    def __init__(self, hidden_size, num_heads):
        super().__init__()
        self.inner = nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        memory = torch.zeros_like(hidden_states).bfloat16()
        return {}, None
"""


@pytest.mark.parametrize(
    ("output", "call"),
    [
        ("self.inner(memory + hidden_states.bfloat16())", under_autocast),
        (
            "memory.index_add(0, torch.arange(len(memory)), self.inner(hidden_states.cumsum(1)) + hidden_states)",
            in_bfloat16,
        ),
    ],
)
def test_casts_by_method_are_handled_by_half_precision(output: str, call: Call):
    """The call runs under autocast, or else in half precision; parameters and gradients keep their dtype."""
    layer = build_layer(load_mixer(LOWERED.format(output)), WIDTH, HEADS, 0)
    assert negotiate_call(layer, WIDTH) is call
    y = FlaMixer(layer, call)(torch.ones(1, 3, WIDTH))
    y.sum().backward()
    assert (y.dtype, layer.inner.weight.dtype, layer.inner.weight.grad.dtype) == (torch.float32,) * 3
