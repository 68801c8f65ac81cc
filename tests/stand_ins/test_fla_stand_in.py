"""Layers written for flash-linear-attention run as they are, and the stand-in computes what its names promise."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from agents.admission.static_check import check
from stand_ins.fla import ops
from stand_ins.fla.layers.utils import get_unpad_data, index_first_axis, pad_input
from stand_ins.fla.models.utils import Cache
from stand_ins.fla.modules import FusedRMSNormGated, RMSNorm, RotaryEmbedding, ShortConvolution, l2norm
from trainer.candidate.adapter import mixer_factory
from trainer.candidate.calling import Call, FlaMixer, as_it_is, in_bfloat16, negotiated, under_autocast
from trainer.candidate.construction import is_fla_form, layer_of
from trainer.gates import load_mixer, run_gates

LAYERS = Path(__file__).with_name("layers")
SPECIMENS = sorted(LAYERS.glob("*.py"))
WIDTH, HEADS = 32, 2


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda path: path.stem)
def test_a_layer_in_flas_form_passes_every_gate(specimen: Path):
    """It is loaded, built by fla's names, called with hidden states only, and judged like any other."""
    assert check(specimen.read_text()) is None
    layer = load_mixer(specimen.read_text())
    assert is_fla_form(layer)
    factory = mixer_factory(layer)
    findings = run_gates(lambda: factory(WIDTH, HEADS, 0), WIDTH, HEADS, seed=0)
    assert [finding for finding in findings if not finding.passed] == []


def test_half_precision_by_name_is_single_precision():
    """The file's own casts are met without any, and the output comes back in the caller's dtype."""
    layer = load_mixer((LAYERS / "lowered_by_name.py").read_text())
    assert negotiated(layer_of(layer, WIDTH, HEADS, 0), WIDTH) is as_it_is
    assert mixer_factory(layer)(WIDTH, HEADS, 0)(torch.randn(2, 5, WIDTH)).dtype == torch.float32


LOWERED = """
import torch
from torch import nn

class Lowered(nn.Module):
    def __init__(self, hidden_size, num_heads):
        super().__init__()
        self.inner = nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        kept = torch.zeros_like(hidden_states).bfloat16()
        return {}, None
"""


@pytest.mark.parametrize(
    ("output", "call"),
    [
        ("self.inner(kept + hidden_states.bfloat16())", under_autocast),
        (
            "kept.index_add(0, torch.arange(len(kept)), self.inner(hidden_states.cumsum(1)) + hidden_states)",
            in_bfloat16,
        ),
    ],
)
def test_casts_that_no_name_shows_are_met_by_half_precision(output: str, call: Call):
    """Autocast where it helps, else all is lowered for the call; parameters and gradients stay as they are."""
    layer = layer_of(load_mixer(LOWERED.format(output)), WIDTH, HEADS, 0)
    assert negotiated(layer, WIDTH) is call
    y = FlaMixer(layer, call)(torch.ones(1, 3, WIDTH))
    y.sum().backward()
    assert (y.dtype, layer.inner.weight.dtype, layer.inner.weight.grad.dtype) == (torch.float32,) * 3


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
def test_the_layer_is_told_from_the_modules_beside_it(specimen: str, name: str):
    """Helpers may take a width and heads too; base classes hand their arguments on; a class may have two names."""
    assert load_mixer((LAYERS / f"{specimen}.py").read_text()).__name__ == name


def test_a_masked_layer_gives_kept_tokens_what_they_get_alone():
    """Unpadding, packed convolutions and padding back leave a shorter sequence as it is without the batch."""
    layer = load_mixer((LAYERS / "delta_with_padding.py").read_text())(hidden_size=WIDTH, num_heads=HEADS).eval()
    x = torch.randn(1, 9, WIDTH)
    mask = torch.ones(1, 9)
    mask[:, :3] = 0
    masked, _, _ = layer(x, attention_mask=mask)
    alone, _, _ = layer(x[:, 3:])
    assert torch.allclose(masked[:, 3:], alone, atol=1e-5)
    assert not masked[:, :3].any()


def test_unpadding_and_padding_are_inverse():
    """The offsets and indices describe the mask, and padding puts every kept row back."""
    mask = torch.tensor([[0, 1, 1], [1, 1, 1]])
    x = torch.arange(12.0).view(2, 3, 2)
    indices, offsets, longest = get_unpad_data(mask)
    packed = index_first_axis(x.flatten(0, 1), indices)
    assert (indices.tolist(), offsets.tolist(), longest) == ([1, 2, 3, 4, 5], [0, 2, 5], 3)
    assert torch.equal(pad_input(packed, indices, 2, 3), x * mask[..., None])


def test_a_packed_convolution_is_the_convolution_of_each_sequence():
    """No sequence sees the one packed before it."""
    convolution = ShortConvolution(6, 4)
    x = torch.randn(1, 11, 6)
    packed, state = convolution(x, cu_seqlens=torch.tensor([0, 4, 11]), output_final_state=True)
    first, _ = convolution(x[:, :4])
    second, last = convolution(x[:, 4:], output_final_state=True)
    assert torch.allclose(packed, torch.cat([first, second], 1))
    assert torch.equal(state[1:], last)


def test_a_convolution_goes_on_from_its_cache():
    """Two pieces with the cache between them give the whole."""
    convolution = ShortConvolution(6, 4, bias=True)
    x = torch.randn(2, 9, 6)
    whole, _ = convolution(x)
    first, cache = convolution(x[:, :5], output_final_state=True)
    second, _ = convolution(x[:, 5:], cache=cache)
    assert torch.allclose(whole, torch.cat([first, second], 1), atol=1e-6)


def test_norms_are_what_their_names_say():
    """Root mean square one before the weight; the gate multiplies by silu; the residual is added and handed on."""
    x, g = torch.randn(3, 5), torch.randn(3, 5)
    norm, gated = RMSNorm(5, eps=0.0), FusedRMSNormGated(5, eps=0.0)
    unit = x / x.square().mean(-1, keepdim=True).sqrt()
    assert torch.allclose(norm(x), unit, atol=1e-6)
    assert torch.allclose(gated(x, g), unit * F.silu(g), atol=1e-6)
    y, summed = norm(x - g, residual=g, prenorm=True)
    assert torch.allclose(y, unit, atol=1e-5)
    assert torch.allclose(summed, x)
    assert torch.allclose(l2norm(x).norm(dim=-1), torch.ones(3), atol=1e-4)


def test_rotation_starts_afresh_in_each_packed_sequence():
    """A packed sequence is turned as it would be alone; channels beyond the rotary width stay."""
    q, k = torch.randn(1, 7, 2, 6), torch.randn(1, 7, 2, 6)
    turn = RotaryEmbedding(4)
    packed, _ = turn(q, k, cu_seqlens=torch.tensor([0, 3, 7]))
    alone, _ = turn(q[:, 3:], k[:, 3:])
    assert torch.allclose(packed[:, 3:], alone)
    assert torch.equal(packed[..., 4:], q[..., 4:])


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("chunk_gla", ("gk",)),
        ("chunk_simple_gla", ("g",)),
        ("chunk_delta_rule", ("beta",)),
        ("fused_recurrent_gated_delta_rule", ("g", "beta")),
        ("parallel_retention", ()),
        ("chunk_linear_attn", ()),
    ],
)
def test_an_operator_with_heads_first_is_the_same_operator(name: str, takes: tuple[str, ...]):
    """Both layouts of fla give the same output."""
    q, k, v = (torch.rand(2, 6, 3, 4) for _ in range(3))
    gates = {"gk": -torch.rand(2, 6, 3, 4), "g": -torch.rand(2, 6, 3), "beta": torch.rand(2, 6, 3)}
    given = {key: gates[key] for key in takes}
    operator = getattr(ops, name)
    usual, _ = operator(q, k, v, **given)
    turned = {key: value.transpose(1, 2) for key, value in given.items()}
    first, _ = operator(*(x.transpose(1, 2) for x in (q, k, v)), head_first=True, **turned)
    assert torch.allclose(usual, first.transpose(1, 2), atol=1e-6)


def test_normalised_linear_attention_is_a_weighted_mean():
    """With equal values at every position the output is that value."""
    q, k = torch.rand(1, 5, 2, 3), torch.rand(1, 5, 2, 3)
    o, _ = ops.chunk_linear_attn(q, k, torch.full((1, 5, 2, 4), 7.0))
    assert torch.allclose(o, torch.full_like(o, 7.0), atol=1e-4)


def test_a_cache_keeps_each_layers_state_and_counts_tokens_once():
    """Entries are per layer; only the first layer moves the count."""
    cache = Cache()
    cache.update(layer_idx=0, offset=3, state=1)
    cache.update(layer_idx=1, offset=3, state=2)
    assert (len(cache), cache[1]["state"], cache.get_seq_length()) == (2, 2, 3)
