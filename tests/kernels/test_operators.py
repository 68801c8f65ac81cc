"""The small operators around the recurrence, each against its definition."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from kernels import (
    FEATURE_MAPS,
    causal_conv1d,
    feature_map,
    linear_cross_entropy,
    linear_recurrence,
    rms_norm,
    rotary,
    window_attention,
)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_convolution_is_the_sum_of_shifted_inputs(width):
    """y_t = silu(bias + sum_i w_i x_{t - W + 1 + i}), with zeros before the start."""
    x, weight, bias = torch.randn(2, 9, 3), torch.randn(3, width), torch.randn(3)
    y, _ = causal_conv1d(x, weight, bias, activation="silu")
    padded = F.pad(x, (0, 0, width - 1, 0))
    expected = bias + sum(padded[:, i : i + 9] * weight[:, i] for i in range(width))
    torch.testing.assert_close(y, F.silu(expected))


def test_convolution_in_pieces_equals_one_call():
    """The final state has the inputs that the next piece needs, even if a piece is shorter than the kernel."""
    x, weight = torch.randn(2, 11, 3), torch.randn(3, 4)
    expected, expected_state = causal_conv1d(x, weight, output_final_state=True)
    state, pieces = None, []
    for piece in x.split([2, 1, 8], dim=1):
        y, state = causal_conv1d(piece, weight, initial_state=state, output_final_state=True)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, 1), expected)
    torch.testing.assert_close(state, expected_state)


def test_norm_has_unit_mean_square_and_a_gate():
    """The mean square is one before weight and gate; silu of the gate multiplies the output."""
    x, gate, weight = torch.randn(4, 32), torch.randn(4, 32), torch.randn(32)
    torch.testing.assert_close(rms_norm(x, None).square().mean(-1), torch.ones(4), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(rms_norm(x, weight, gate), rms_norm(x, None) * weight * F.silu(gate))


def test_rotation_depends_on_distance_only():
    """<rotate(q, i), rotate(k, j)> is a function of i - j; `offset` shifts the positions."""
    q, k = torch.randn(1, 1, 1, 8, dtype=torch.float64), torch.randn(1, 1, 1, 8, dtype=torch.float64)

    def inner_product(i, j):
        return (rotary(q, q, offset=i)[0] * rotary(k, k, positions=torch.tensor([j]))[1]).sum()

    torch.testing.assert_close(inner_product(7, 3), inner_product(104, 100))
    torch.testing.assert_close(rotary(q, k)[0], q)


@pytest.mark.parametrize("window", [1, 3, 32, 40, 200])
@pytest.mark.parametrize("length", [1, 31, 33, 100])
def test_window_attention_is_masked_attention(length, window):
    """Blocks give the same as a full [T, T] mask, also with grouped heads."""
    q, k, v = (torch.randn(2, length, heads, 8) for heads in (4, 2, 2))
    distance = torch.arange(length)[:, None] - torch.arange(length)
    mask = (distance >= 0) & (distance < window)
    heads_first = (x.transpose(1, 2).repeat_interleave(4 // x.shape[2], 1) for x in (q, k, v))
    expected = F.scaled_dot_product_attention(*heads_first, attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(window_attention(q, k, v, window), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_equals_that_of_all_logits(reduction):
    """Loss and gradients equal those of projection and loss in two steps, also with ignored targets."""
    hidden, weight, bias = torch.randn(3, 40, 16), torch.randn(50_000, 16), torch.randn(50_000)
    targets = torch.randint(0, 50_000, (3, 40))
    targets[0, :7] = -100
    leaves = [x.requires_grad_() for x in (hidden, weight, bias)]
    actual = linear_cross_entropy(hidden, weight, targets, bias=bias, reduction=reduction)
    logits = F.linear(hidden, weight, bias).flatten(0, 1)
    expected = F.cross_entropy(logits, targets.flatten(), reduction=reduction).view_as(actual)
    torch.testing.assert_close(actual, expected)
    d_loss = torch.rand_like(actual)
    gradients, expected_gradients = (torch.autograd.grad(loss, leaves, d_loss) for loss in (actual, expected))
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-5)


class _LargestResult(TorchDispatchMode):
    """Records the size of the largest result of any operation."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_cross_entropy_never_holds_all_logits(reduction):
    """No operation of forward or backward returns a tensor as large as [T, V]."""
    tokens, vocabulary = 4096, 2048
    hidden, weight = torch.randn(tokens, 8, requires_grad=True), torch.randn(vocabulary, 8, requires_grad=True)
    with _LargestResult() as largest:
        loss = linear_cross_entropy(hidden, weight, torch.randint(0, vocabulary, (tokens,)), reduction=reduction)
        loss.sum().backward()
    assert largest.numbers <= tokens * vocabulary / 4


@pytest.mark.parametrize("kind", sorted(FEATURE_MAPS))
def test_feature_maps_keep_shape_and_stay_finite(kind):
    """The recurrence of the features is finite too."""
    x = torch.randn(1, 6, 2, 4) * 10
    y = feature_map(x, kind)
    assert y.shape == x.shape
    assert linear_recurrence(y, y, x)[0].isfinite().all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: feature_map(torch.ones(1), "fourier"),
        lambda: causal_conv1d(torch.ones(1, 2, 3), torch.ones(2, 4)),
        lambda: causal_conv1d(torch.ones(1, 2, 3), torch.ones(3, 4), activation="tanh"),
        lambda: rms_norm(torch.ones(2, 3), torch.ones(2)),
        lambda: rotary(torch.ones(1, 2, 1, 3), torch.ones(1, 2, 1, 3)),
        lambda: window_attention(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), 0),
        lambda: linear_cross_entropy(torch.ones(2, 3), torch.ones(5, 4), torch.zeros(2, dtype=torch.long)),
    ],
)
def test_wrong_calls_raise_an_error_of_one_line(call):
    """The error of each operator names the expected arguments."""
    with pytest.raises(ValueError, match=r"expected|unknown|must") as error:
        call()
    assert "\n" not in str(error.value)


def test_shifted_products_have_the_gradients_of_the_library_convolution():
    """The CPU uses shifted products, a transform uses torch's convolution; both give the same gradients."""
    x, state, weight = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 7, 3), (2, 3, 3), (3, 4)))

    def run(*tensors):
        return causal_conv1d(tensors[0], tensors[2], activation="silu", initial_state=tensors[1])[0]

    leaves = [tensor.requires_grad_() for tensor in (x, state, weight)]
    assert torch.autograd.gradcheck(run, leaves)
    d_y = torch.randn(2, 7, 3, dtype=torch.float64)
    _, library_gradients = torch.func.vjp(run, *(leaf.detach() for leaf in leaves))
    torch.testing.assert_close(torch.autograd.grad(run(*leaves), leaves, d_y), library_gradients(d_y))
