"""fla's conventions: masks and padding, packed sequences, caches, residuals of norms, heads before time."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from stand_ins.fla import ops
from stand_ins.fla.layers.utils import get_unpad_data, index_first_axis, pad_input
from stand_ins.fla.models.utils import Cache
from stand_ins.fla.modules import FusedRMSNormGated, RMSNorm, RotaryEmbedding, ShortConvolution, l2norm
from trainer.gates import load_mixer

LAYERS = Path(__file__).with_name("layers")
WIDTH, HEADS = 32, 2


def test_a_mask_does_not_change_the_output_of_unmasked_tokens():
    """A padded sequence gives the same output as the sequence alone."""
    layer = load_mixer((LAYERS / "delta_with_padding.py").read_text())(hidden_size=WIDTH, num_heads=HEADS).eval()
    x = torch.randn(1, 9, WIDTH)
    mask = torch.ones(1, 9)
    mask[:, :3] = 0
    masked, _, _ = layer(x, attention_mask=mask)
    alone, _, _ = layer(x[:, 3:])
    assert torch.allclose(masked[:, 3:], alone, atol=1e-5)
    assert not masked[:, :3].any()


def test_unpadding_and_padding_are_inverse():
    """The offsets and indices describe the mask, and padding restores every unmasked row."""
    mask = torch.tensor([[0, 1, 1], [1, 1, 1]])
    x = torch.arange(12.0).view(2, 3, 2)
    indices, offsets, longest = get_unpad_data(mask)
    packed = index_first_axis(x.flatten(0, 1), indices)
    assert (indices.tolist(), offsets.tolist(), longest) == ([1, 2, 3, 4, 5], [0, 2, 5], 3)
    assert torch.equal(pad_input(packed, indices, 2, 3), x * mask[..., None])


def test_a_packed_convolution_is_the_convolution_of_each_sequence():
    """No sequence depends on the one packed before it."""
    convolution = ShortConvolution(6, 4)
    x = torch.randn(1, 11, 6)
    packed, state = convolution(x, cu_seqlens=torch.tensor([0, 4, 11]), output_final_state=True)
    y_1, _ = convolution(x[:, :4])
    y_2, state_2 = convolution(x[:, 4:], output_final_state=True)
    assert torch.allclose(packed, torch.cat([y_1, y_2], 1))
    assert torch.equal(state[1:], state_2)


def test_a_convolution_continues_from_its_cache():
    """Two pieces with the cache between them give the output of one call."""
    convolution = ShortConvolution(6, 4, bias=True)
    x = torch.randn(2, 9, 6)
    expected, _ = convolution(x)
    y_1, cache = convolution(x[:, :5], output_final_state=True)
    y_2, _ = convolution(x[:, 5:], cache=cache)
    assert torch.allclose(torch.cat([y_1, y_2], 1), expected, atol=1e-6)


def test_norms_compute_their_formulas():
    """The root mean square is one; silu of the gate multiplies; the residual is added, and the sum is returned."""
    x, g = torch.randn(3, 5), torch.randn(3, 5)
    norm, gated = RMSNorm(5, eps=0.0), FusedRMSNormGated(5, eps=0.0)
    unit = x / x.square().mean(-1, keepdim=True).sqrt()
    assert torch.allclose(norm(x), unit, atol=1e-6)
    assert torch.allclose(gated(x, g), unit * F.silu(g), atol=1e-6)
    y, summed = norm(x - g, residual=g, prenorm=True)
    assert torch.allclose(y, unit, atol=1e-5)
    assert torch.allclose(summed, x)
    assert torch.allclose(l2norm(x).norm(dim=-1), torch.ones(3), atol=1e-4)


def test_positions_restart_in_each_packed_sequence():
    """A packed sequence has the rotation that it has alone; channels beyond the rotary width do not change."""
    q, k = torch.randn(1, 7, 2, 6), torch.randn(1, 7, 2, 6)
    rotary = RotaryEmbedding(4)
    packed, _ = rotary(q, k, cu_seqlens=torch.tensor([0, 3, 7]))
    alone, _ = rotary(q[:, 3:], k[:, 3:])
    assert torch.allclose(packed[:, 3:], alone)
    assert torch.equal(packed[..., 4:], q[..., 4:])


@pytest.mark.parametrize(
    ("name", "gate_names"),
    [
        ("chunk_gla", ("gk",)),
        ("chunk_simple_gla", ("g",)),
        ("chunk_delta_rule", ("beta",)),
        ("fused_recurrent_gated_delta_rule", ("g", "beta")),
        ("parallel_retention", ()),
        ("chunk_linear_attn", ()),
    ],
)
def test_an_operator_with_heads_first_is_the_same_operator(name: str, gate_names: tuple[str, ...]):
    """Both layouts of fla give the same output."""
    q, k, v = (torch.rand(2, 6, 3, 4) for _ in range(3))
    gates = {"gk": -torch.rand(2, 6, 3, 4), "g": -torch.rand(2, 6, 3), "beta": torch.rand(2, 6, 3)}
    inputs = {key: gates[key] for key in gate_names}
    operator = getattr(ops, name)
    time_first, _ = operator(q, k, v, **inputs)
    inputs = {key: value.transpose(1, 2) for key, value in inputs.items()}
    head_first, _ = operator(*(x.transpose(1, 2) for x in (q, k, v)), head_first=True, **inputs)
    assert torch.allclose(time_first, head_first.transpose(1, 2), atol=1e-6)


def test_normalised_linear_attention_is_a_weighted_mean():
    """With equal values at every position, the output is that value."""
    q, k = torch.rand(1, 5, 2, 3), torch.rand(1, 5, 2, 3)
    o, _ = ops.chunk_linear_attn(q, k, torch.full((1, 5, 2, 4), 7.0))
    assert torch.allclose(o, torch.full_like(o, 7.0), atol=1e-4)


def test_a_cache_keeps_each_layers_state_and_counts_tokens_once():
    """Each layer has an entry; the default count is that of the first layer."""
    cache = Cache()
    cache.update(layer_idx=0, offset=3, state=1)
    cache.update(layer_idx=1, offset=3, state=2)
    assert (len(cache), cache[1]["state"], cache.get_seq_length()) == (2, 2, 3)
