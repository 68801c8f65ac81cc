"""fla's own layers, which others wrap and inherit from: whole, divided, padded and packed sequences."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stand_ins.fla import layers
from stand_ins.fla.models.utils import Cache

WIDTH, HEADS = 32, 2
BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "delta net": lambda: layers.DeltaNet(d_model=WIDTH, num_heads=HEADS, layer_idx=1),
    "delta net with a gate": lambda: layers.DeltaNet(
        hidden_size=WIDTH, num_heads=HEADS, use_gate=True, qk_activation="elu", qk_norm="sum", layer_idx=1
    ),
    "delta net without step sizes": lambda: layers.DeltaNet(
        hidden_size=WIDTH, num_heads=HEADS, use_beta=False, use_short_conv=False, layer_idx=1
    ),
    "gated delta net": lambda: layers.GatedDeltaNet(WIDTH, head_dim=8, num_heads=HEADS, layer_idx=1),
    "gated delta net with more values": lambda: layers.GatedDeltaNet(
        WIDTH, 1, 8, HEADS, 2 * HEADS, use_gate=False, allow_neg_eigval=True, layer_idx=1
    ),
    "Kimi's": lambda: layers.KimiDeltaAttention(WIDTH, head_dim=8, num_heads=HEADS, layer_idx=1),
    "gated linear attention": lambda: layers.GatedLinearAttention(hidden_size=WIDTH, num_heads=HEADS, layer_idx=1),
    "gated linear attention with shared keys": lambda: layers.GatedLinearAttention(
        hidden_size=WIDTH, num_heads=4, num_kv_heads=2, feature_map="relu", gate_fn="sigmoid", clamp_min=-0.1,
        use_short_conv=True, layer_idx=1,
    ),
    "attention": lambda: layers.Attention(WIDTH, HEADS, qkv_bias=True, qk_norm=True, layer_idx=1),
    "attention within a window": lambda: layers.Attention(WIDTH, 4, 2, window_size=3, layer_idx=1),
    "retention": lambda: layers.MultiScaleRetention(hidden_size=WIDTH, num_heads=HEADS, layer_idx=1),
}  # fmt: skip
each = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


@each
def test_a_divided_sequence_gives_the_output_of_the_whole(build: Callable[[], nn.Module]):
    """The cache passes the state between the parts, and a layer's number selects its entry."""
    layer, x, cache = build(), torch.randn(2, 9, WIDTH), Cache()
    expected, weights, full_cache = layer(x)
    parts = [layer(x[:, a:b], past_key_values=cache, use_cache=True)[0] for a, b in ((0, 5), (5, 8), (8, 9))]
    assert (weights, full_cache) == (None, None)
    assert torch.allclose(torch.cat(parts, 1), expected, atol=1e-5)
    assert cache.get_seq_length(1) == 9


@each
def test_padding_and_packing_do_not_change_the_output(build: Callable[[], nn.Module]):
    """A sequence after padding, or packed after another one, gives the output that it gives alone."""
    layer, long, short = build(), torch.randn(1, 7, WIDTH), torch.randn(1, 4, WIDTH)
    alone = torch.cat([layer(long)[0], layer(short)[0]], 1)
    packed = layer(torch.cat([long, short], 1), cu_seqlens=torch.tensor([0, 7, 11]))[0]
    assert torch.allclose(packed, alone, atol=1e-5)
    padded = torch.cat([long, F.pad(short, (0, 0, 3, 0), value=2.0)])
    mask = torch.tensor([[1] * 7, [0] * 3 + [1] * 4])
    y = layer(padded, attention_mask=mask)[0]
    assert torch.allclose(torch.cat([y[:1], y[1:, 3:]], 1), alone, atol=1e-5)
    cache = Cache()
    parts = [
        layer(padded[:, a:b], attention_mask=mask[:, :b], past_key_values=cache, use_cache=True)[0]
        for a, b in ((0, 5), (5, 6), (6, 7))
    ]
    assert torch.allclose(torch.cat(parts, 1)[1, 3:], y[1, 3:], atol=1e-5)


def test_a_cache_holds_the_keys_that_a_window_sees():
    """New keys are appended; a window keeps those that its first new query can see."""
    cache, k = Cache(), torch.arange(8.0).view(1, 8, 1)
    (keys,) = cache.update(1, 5, attn_state=(k[:, :5],), cache_kwargs={"window_size": 3})["attn_state"]
    assert keys.flatten().tolist() == [0, 1, 2, 3, 4]
    (keys,) = cache.update(1, 1, attn_state=(k[:, 5:6],), cache_kwargs={"window_size": 3})["attn_state"]
    assert keys.flatten().tolist() == [3, 4, 5]
    (keys,) = cache.update(1, 2, attn_state=(k[:, 6:],), cache_kwargs={"window_size": 3})["attn_state"]
    assert keys.flatten().tolist() == [4, 5, 6, 7]
    assert (cache.get_seq_length(1), cache.seen_tokens) == (8, 0)


def test_a_gated_delta_net_computes_its_formula():
    """Without convolutions: decay exp(-exp(A) softplus(a + bias)), step sigmoid(b), normalised keys, gated norm."""
    layer = layers.GatedDeltaNet(WIDTH, 1, 8, 1, use_short_conv=False)
    x = torch.randn(6, WIDTH)
    q, k, v = (F.silu(project(x)) for project in (layer.q_proj, layer.k_proj, layer.v_proj))
    q, k = (y / y.norm(dim=-1, keepdim=True) for y in (q, k))
    decay = (-layer.A_log.exp() * F.softplus(layer.a_proj(x) + layer.dt_bias)).exp()
    beta, state, reads = layer.b_proj(x).sigmoid(), torch.zeros(8, 8), []
    for t in range(6):
        state = decay[t] * state
        state = state + torch.outer(k[t], beta[t] * (v[t] - k[t] @ state))
        reads.append(8**-0.5 * q[t] @ state)
    o = torch.stack(reads)
    normed = o / (o.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.o_norm.weight * F.silu(layer.g_proj(x))
    assert torch.allclose(layer(x[None])[0][0], layer.o_proj(normed), atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: layers.DeltaNet(hidden_size=32, num_heads=3), "32 can't be split among 3 heads"),
        (
            lambda: layers.DeltaNet(hidden_size=32, qk_norm="l1"),
            "DeltaNet has no qk_activation 'silu' with qk_norm 'l1'",
        ),
        (lambda: layers.GatedDeltaNet(32, 0.3, 8), "expand_v 0.3 makes no whole number of 8 channels"),
    ],
)
def test_impossible_settings_are_refused(build: Callable[[], nn.Module], message: str):
    """The error has one line with the values."""
    with pytest.raises(ValueError, match=message):
        build()
