"""Every backend agrees with the reference loop in fp64: outputs, final states and every gradient.

On a machine without a GPU the cases run the chunked and the native backend, on a GPU the chunked backend and the Triton
kernels. New memory is filled with NaN, so that reading unwritten numbers fails.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import available_backends, linear_recurrence
from kernels.cases import KINDS, draw, outputs_and_gradients, relative_error, relative_errors

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NATIVE = "native" in available_backends() and DEVICE == "cpu"
# The library runs on the CPU, the Triton kernels on a GPU; `test_triton` runs the interpreted kernels.
FAST_BACKENDS = [
    "chunked",
    *(["triton"] if DEVICE == "cuda" else []),
    pytest.param(
        "native", marks=pytest.mark.skipif(not NATIVE, reason="the native library is not built, or there is a GPU")
    ),
]
FP32_ONLY = "the native library takes fp32"
FP32_ERROR, BF16_ERROR = 1e-5, 5e-3
"""The largest relative error of any result."""
BF16_ERROR_ON_GPU = 8e-3
"""The kernels store writes and scores in sixteen bits."""
# (T, Dk, Dv, H, B): lengths around the chunk length, widths that are no powers of two.
SHAPES = [
    (1, 16, 16, 1, 2),
    (7, 30, 60, 3, 1),
    (63, 64, 64, 1, 1),
    (64, 16, 30, 3, 2),
    (65, 60, 100, 1, 1),
    (500, 128, 16, 1, 1),
    (1000, 30, 16, 1, 1),
]


@pytest.fixture(autouse=True, scope="module")
def _nan_in_new_memory() -> Iterator[None]:
    """Fill every uninitialised tensor with NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "T{}-Dk{}-Dv{}-H{}-B{}".format(*shape))
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_reference(kind, shape, backend):
    """Outputs, final states and all gradients agree with fp64, in fp32 and in bf16."""
    length, key_width, value_width, heads, batch = shape
    # The gradient of a constant decay is a signed sum over all steps; with this seed it is not near zero.
    case = draw(
        kind,
        batch=batch,
        length=length,
        heads=heads,
        key_width=key_width,
        value_width=value_width,
        device=DEVICE,
        seed=1,
    )
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(outputs_and_gradients(case, backend), expected) <= FP32_ERROR
    if length in (7, 65) and backend != "native":
        rounded = case.to(torch.bfloat16)
        expected = outputs_and_gradients(rounded.to(torch.float64), "reference")
        actual = outputs_and_gradients(rounded, backend)
        assert largest_error(actual, expected) <= (BF16_ERROR_ON_GPU if backend == "triton" else BF16_ERROR)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("decay", [0.01, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.decay])
def test_is_exact_from_weak_to_strong_decay(kind, decay, backend):
    """With mean log decay from -0.01 to -20 a step, the factored, weighted and halved forms are all exact."""
    case = draw(kind, length=70, heads=2, key_width=24, decay=decay, device=DEVICE)
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(outputs_and_gradients(case, backend), expected) <= fp32_error(backend, decay)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("kind", ["ssd", "gla", "gated_delta", "kda"])
def test_gradient_of_a_constant_strong_decay_is_right(kind, backend):
    """With a log decay of -20 at every step, its gradient is a billionth of the others, and still right."""
    case = draw(kind, length=40, heads=1, key_width=16, device=DEVICE, initial_state=False)
    assert case.log_decay is not None
    case = replace(case, log_decay=torch.full_like(case.log_decay, -20.0))
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(outputs_and_gradients(case, backend), expected) <= 1e-4


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["gla", "gated_delta"])
def test_nothing_overflows_over_a_long_sequence(kind, dtype, backend):
    """With log decay down to -20 a step over 16,384 steps, every output and gradient is finite."""
    if backend == "native" and dtype != torch.float32:
        pytest.skip(FP32_ONLY)
    case = draw(kind, length=16384, heads=1, key_width=16, decay=10.0, dtype=dtype, device=DEVICE)
    results = outputs_and_gradients(case, backend)
    assert all(x.isfinite().all() for x in results.values())


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_forgets_everything_at_minus_infinity(kind, backend):
    """A log decay of -inf empties the state; values and gradients agree with the reference."""
    if KINDS[kind].decay is None:
        pytest.skip("no decay")
    case = draw(kind, length=20, heads=1, key_width=16, device=DEVICE)
    assert case.log_decay is not None
    case.log_decay[..., 0] = -torch.inf
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    actual = outputs_and_gradients(case, backend)
    assert largest_error(actual, expected) <= FP32_ERROR


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.delta])
def test_a_write_strength_of_zero_has_a_gradient(kind, backend):
    """If a step writes nothing, the gradient of its strength is finite and right."""
    case = draw(kind, length=70, heads=2, key_width=16, device=DEVICE)
    assert case.beta is not None
    case.beta[:, ::2] = 0
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(outputs_and_gradients(case, backend), expected) <= FP32_ERROR


@pytest.mark.parametrize("backend", ["reference", *FAST_BACKENDS])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_separate_sequences(kind, backend):
    """Packed with cu_seqlens, each sequence gives the same as alone, with its own initial and final state."""
    lengths = (5, 64, 1, 33)
    case = draw(kind, length=0, lengths=lengths, heads=2, key_width=16, device=DEVICE)
    packed = outputs_and_gradients(case, backend)
    assert case.initial_state is not None
    start = 0
    for n, length in enumerate(lengths):
        steps = slice(start, start + length)
        parts = {
            name: x if x.ndim == 1 else x[:, steps] for name, x in case.tensors().items() if name != "initial_state"
        }
        o, final = linear_recurrence(
            **parts, initial_state=case.initial_state[n : n + 1], output_final_state=True, backend="reference"
        )
        assert final is not None
        assert relative_error(packed["o"][:, steps], o) <= FP32_ERROR
        assert relative_error(packed["final_state"][n], final[0]) <= FP32_ERROR
        start += length
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(packed, expected) <= FP32_ERROR


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_grouped_values_share_their_key_head(kind, backend):
    """Two key heads that serve six value heads give the same as six repeated key heads."""
    case = draw(kind, length=40, heads=2, value_heads=6, key_width=16, value_width=20, device=DEVICE)
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    actual = outputs_and_gradients(case, backend)
    assert largest_error(actual, expected) <= FP32_ERROR
    repeated = replace(case, q=case.q.repeat_interleave(3, 2), k=case.k.repeat_interleave(3, 2))
    assert relative_error(actual["o"], outputs_and_gradients(repeated, backend)["o"]) <= FP32_ERROR


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    batch=st.integers(1, 3),
    length=st.integers(1, 90),
    heads=st.integers(1, 3),
    key_width=st.integers(1, 40),
    value_width=st.integers(1, 40),
    chunk_size=st.sampled_from([16, 32, 64, 128]),
    decay=st.sampled_from([0.02, 0.5, 6.0]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_shape(backend, kind, batch, length, heads, key_width, value_width, chunk_size, decay):
    """Results agree with the reference for any shape, chunk size and strength of decay."""
    case = draw(
        kind, batch=batch, length=length, heads=heads, key_width=key_width, value_width=value_width, decay=decay,
        device=DEVICE, seed=length,
    )  # fmt: skip
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    assert largest_error(outputs_and_gradients(case, backend, chunk_size), expected) <= fp32_error(backend, decay)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_exact_in_double_precision(kind, backend):
    """In fp64 the chunk form equals the reference up to rounding."""
    if backend == "triton":
        pytest.skip("the kernels accumulate in fp32")
    if backend == "native":
        pytest.skip(FP32_ONLY)
    case = draw(kind, batch=2, length=100, heads=2, key_width=20, decay=2.0, dtype=torch.float64, device=DEVICE)
    assert largest_error(outputs_and_gradients(case, backend), outputs_and_gradients(case, "reference")) <= 1e-12


def fp32_error(backend, decay):
    """Return the largest relative error allowed in fp32. The kernels sum decay in fp32, so large sums lose digits."""
    return 1e-4 if backend == "triton" and decay > 4 else FP32_ERROR


def largest_error(actual, expected):
    """Return the largest relative error over all results."""
    return max(relative_errors(actual, expected).values())
