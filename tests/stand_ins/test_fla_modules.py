"""fla's modules and helpers, each against its formula."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stand_ins.fla import modules, utils
from stand_ins.fla.layers import LoRA, repad_hidden_states, unpad_hidden_states, unpad_input
from stand_ins.fla.ops import chunk_gated_delta_rule, prepare_position_ids, prepare_sequence_ids


def test_groups_are_normalised_separately():
    """The norm is layer norm or RMS norm; one weight covers all groups."""
    x = torch.randn(3, 8)
    for is_rms in (False, True):
        norm = modules.GroupNorm(2, 8, is_rms_norm=is_rms, eps=0.0)
        with torch.no_grad():
            norm.weight.copy_(torch.arange(8.0))
        parts = x.view(3, 2, 4)
        centred = parts if is_rms else parts - parts.mean(-1, keepdim=True)
        unit = centred / centred.square().mean(-1, keepdim=True).sqrt()
        assert torch.allclose(norm(x), unit.view(3, 8) * torch.arange(8.0), atol=1e-5)
    with pytest.raises(ValueError, match="8 channels can't be split into 3 groups"):
        modules.GroupNorm(3, 8)


def test_a_gate_multiplies_after_the_norm_or_before_it():
    """Fused norms multiply afterwards; Mamba's norm may multiply first, and normalises groups."""
    x, g = torch.randn(3, 8), torch.randn(3, 8)
    unit = F.layer_norm(x, (8,))
    assert torch.allclose(modules.FusedLayerNormGated(8, activation="sigmoid")(x, g), unit * g.sigmoid(), atol=1e-5)
    product = (x * F.silu(g)).view(3, 2, 4)
    expected = product * torch.rsqrt(product.square().mean(-1, keepdim=True) + 1e-5)
    mamba = modules.RMSNormGated(8, group_size=4, norm_before_gate=False)
    assert torch.allclose(mamba(x, g), expected.view(3, 8), atol=1e-5)
    assert torch.allclose(modules.RMSNormGated(8)(x, g), modules.FusedRMSNormGated(8)(x, g), atol=1e-5)


def test_a_norm_may_include_a_linear_map():
    """Its weights are arguments of the call; with `prenorm`, the call also returns the sum with the residual."""
    x, residual, weight = torch.randn(3, 8), torch.randn(3, 8), torch.randn(5, 8)
    y, summed = modules.RMSNormLinear(8)(x, weight, residual=residual, prenorm=True)
    assert torch.allclose(y, modules.RMSNorm(8)(x + residual) @ weight.T, atol=1e-5)
    assert torch.equal(summed, x + residual)
    gated = modules.FusedRMSNormSwishGateLinear(8)(x, residual, weight)
    assert torch.allclose(gated, modules.FusedRMSNormGated(8)(x, residual) @ weight.T, atol=1e-5)
    assert torch.allclose(modules.rms_norm_swish_gate_linear(x, residual, None, None, weight), gated, atol=1e-4)


@pytest.mark.parametrize(
    ("features", "weight"),
    [
        (modules.TaylorFeatureMap(4), lambda s: 1 + s / 2 + s**2 / 8),
        (modules.RebasedFeatureMap(4, use_gamma=False, use_beta=False, normalize=False), lambda s: s**2 / 4),
    ],
)
def test_products_of_features_are_a_function_of_the_product(features: nn.Module, weight):
    """Taylor features give the exponential's series for q · k / 2, Rebased features give squares."""
    q, k = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.allclose((features(q) * features(k)).sum(-1), weight((q * k).sum(-1)), atol=1e-4)


def test_a_token_shift_gives_the_previous_token():
    """The cache precedes the first position; packed sequences are independent."""
    x = torch.randn(1, 5, 3)
    delta, last = modules.token_shift(x, cache=torch.ones(1, 3), output_cache=True)
    assert torch.allclose(x + delta, torch.cat([torch.ones(1, 1, 3), x[:, :-1]], 1), atol=1e-6)
    assert torch.equal(last, x[:, -1])
    packed = modules.token_shift(x, cu_seqlens=torch.tensor([0, 2, 5]))
    assert torch.allclose((x + packed)[0, [0, 2]], torch.zeros(2, 3), atol=1e-6)


def test_a_step_of_a_convolution_is_its_last_output():
    """A step updates the state in place."""
    conv, x = modules.ShortConvolution(6, 4), torch.randn(2, 7, 6)
    expected, final = conv(x, output_final_state=True)
    _, state = conv(x[:, :6], output_final_state=True)
    y, updated = modules.causal_conv1d_update(x[:, 6], state, weight=conv.weight[:, 0], activation="silu")
    assert torch.allclose(y, expected[:, 6], atol=1e-6)
    assert updated is state
    assert torch.equal(state, final)


def test_interleaved_pairs_rotate_like_halves():
    """A pair consists of neighbouring channels instead of channels half the width apart."""
    q, k = torch.randn(1, 5, 2, 6), torch.randn(1, 5, 2, 6)
    order = torch.tensor([0, 2, 4, 1, 3, 5])
    halves, _ = modules.RotaryEmbedding(6)(q[..., order], k[..., order])
    pairs, _ = modules.RotaryEmbedding(6, interleaved=True)(q, k)
    assert torch.allclose(pairs[..., order], halves, atol=1e-6)
    angles = torch.arange(5.0)[:, None] * 10000.0 ** (-torch.arange(0, 6, 2) / 6)
    by_table = modules.rotary_embedding(q, angles.cos(), angles.sin(), interleaved=True)
    assert torch.allclose(by_table, pairs, atol=1e-5)


def test_a_bitlinear_map_has_three_weights_and_passes_gradients():
    """The weights are minus one, zero and one, times their mean magnitude."""
    layer, x = modules.BitLinear(8, 3), torch.randn(4, 8)
    unit = layer.norm(x)
    reach = 127 / unit.abs().amax(-1, keepdim=True)
    size = layer.weight.abs().mean()
    expected = (unit * reach).round() / reach @ ((layer.weight / size).round().clamp(-1, 1) * size).T
    assert torch.allclose(layer(x), expected, atol=1e-5)
    layer(x).sum().backward()
    assert layer.weight.grad.abs().min() > 0


def test_groups_of_features_are_mapped_separately():
    """A group's output is the linear map of that group alone."""
    layer, x = modules.GroupedLinear(6, 4, groups=2), torch.randn(3, 5, 6)
    with torch.no_grad():
        layer.bias.copy_(torch.arange(4.0))
    parts = [F.linear(x[..., 3 * g : 3 * g + 3], layer.weight[g], layer.bias[2 * g : 2 * g + 2]) for g in range(2)]
    assert torch.allclose(layer(x), torch.cat(parts, -1), atol=1e-6)
    with pytest.raises(ValueError, match="4 groups don't divide 6 and 4 features"):
        modules.GroupedLinear(6, 4, groups=4)


def test_a_low_rank_map_starts_as_its_bias():
    """The inner map is zero at first."""
    lora = LoRA(4, 3, 2)
    lora.set_bias_value(torch.arange(3.0))
    assert torch.allclose(lora(torch.randn(2, 4)), torch.arange(3.0).expand(2, 3))
    with pytest.raises(ValueError, match="activation 'gelu' is none of tanh, sigmoid, relu"):
        LoRA(4, 3, 2, activation="gelu")


def test_logits_of_gates_may_be_passed_to_the_kernel():
    """They give the same decay and step sizes as gates that the caller computes."""
    q, k, v = (torch.randn(1, 6, 2, 4) for _ in range(3))
    logits, beta, rate, bias = torch.randn(1, 6, 2), torch.randn(1, 6, 2), torch.randn(2), torch.randn(2)
    inside, _ = chunk_gated_delta_rule(
        q, k, v, logits, beta, use_qk_l2norm_in_kernel=True, use_gate_in_kernel=True, A_log=rate, dt_bias=bias,
        use_beta_sigmoid_in_kernel=True, allow_neg_eigval=True,
    )  # fmt: skip
    q, k = modules.l2norm(q), modules.l2norm(k)
    outside, _ = chunk_gated_delta_rule(q, k, v, -rate.exp() * F.softplus(logits + bias), 2 * beta.sigmoid())
    assert torch.allclose(inside, outside, atol=1e-6)


def test_hidden_states_are_packed_and_restored():
    """A mask determines the packing; if the caller passes offsets, the states stay as they are."""
    x, mask = torch.randn(2, 3, 4), torch.tensor([[0, 1, 1], [1, 1, 1]])
    packed, indices, offsets = unpad_hidden_states(x, None, mask, 3)
    assert (packed.shape, offsets.tolist()) == ((1, 5, 4), [0, 2, 5])
    assert torch.equal(repad_hidden_states(packed, indices, 2, 3), x * mask[..., None])
    assert unpad_hidden_states(x, offsets, mask, 3)[0] is x
    assert prepare_position_ids(offsets).tolist() == [0, 1, 0, 1, 2]
    assert prepare_sequence_ids(offsets).tolist() == [0, 0, 1, 1, 1]
    q, (k,), _, bounds, longest = unpad_input(x[:, -1:], (x,), mask, 1)
    assert (q.shape, k.shape, longest) == ((2, 4), (5, 4), (1, 3))
    assert [offsets.tolist() for offsets in bounds] == [[0, 1, 2], [0, 2, 5]]
    with pytest.raises(ValueError, match="queries of one position or of all, not of 2"):
        unpad_input(x[:, 1:], (x,), mask, 2)


def test_decorators_of_fla_return_the_function():
    """They do so with arguments and without."""

    @utils.input_guard
    @utils.tensor_cache
    @utils.deprecate_kwarg("old", new_name="new", version="1")
    def double(x: int) -> int:
        return 2 * x

    assert utils.checkpoint(double)(2) == 4
