"""A wrong call raises a ValueError of one line that says what is wrong."""

import subprocess
import sys

import pytest
import torch

import kernels
from kernels import linear_recurrence, recurrence_step
from kernels.cases import KINDS, draw

VALID = {"q": torch.randn(2, 5, 2, 4), "k": torch.randn(2, 5, 2, 4), "v": torch.randn(2, 5, 4, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": torch.randn(2, 5, 8)}, "q must be"),
        ({"k": torch.randn(2, 5, 2, 5)}, "one shape"),
        ({"v": torch.randn(2, 6, 4, 3)}, "batch and time"),
        ({"v": torch.randn(2, 5, 3, 3)}, "must be a multiple"),
        ({"k": torch.randn(2, 5, 2, 4).double()}, "dtype"),
        ({"q": torch.ones(2, 5, 2, 4, dtype=torch.int64)}, "floating point"),
        ({"v": torch.randn(2, 5, 4, 3, device="meta")}, "meta"),
        ({"log_decay": torch.tensor([-0.1, 0.1])}, "log_decay must be <= 0"),
        ({"log_decay": -torch.rand(3)}, "log_decay has 3 entries"),
        ({"log_decay": -torch.rand(2, 5, 2, 3)}, "log_decay has width"),
        ({"log_decay": -torch.rand(2, 4, 2)}, "log_decay has shape"),
        ({"beta": torch.rand(2, 5)}, "beta has shape"),
        ({"initial_state": torch.randn(2, 2, 4, 3)}, "initial_state has shape"),
        ({"chunk_size": 48}, "chunk_size"),
        ({"backend": "cuda"}, "unknown backend"),
        ({"backend": "triton", "q": VALID["q"].double(), "k": VALID["k"].double(), "v": VALID["v"].double()}, "triton"),
        ({"cu_seqlens": torch.tensor([0, 5])}, "cu_seqlens"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_a_wrong_argument_raises_an_error_of_one_line(change, message):
    """Shapes, dtypes, devices, positive decay, chunk sizes and backends are checked."""
    with pytest.raises(ValueError, match=message) as error:
        linear_recurrence(**{**VALID, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bounds", [[0, 3], [1, 5], [0, 3, 3, 5], [0, 4, 2, 5]])
def test_offsets_must_rise_from_zero_to_the_length(bounds):
    """Packed sequences cover all steps, and none is empty."""
    single = {name: x[:1] for name, x in VALID.items()}
    with pytest.raises(ValueError, match="cu_seqlens must rise"):
        linear_recurrence(**single, cu_seqlens=torch.tensor(bounds))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_one_call_over_the_sequence(kind):
    """Decoding token by token gives the outputs and the final state of one call."""
    case = draw(kind, batch=2, length=9, heads=2, key_width=8, value_heads=4)
    expected, final = linear_recurrence(**case.tensors(), output_final_state=True, backend="reference")
    state, outputs = case.initial_state, []
    for t in range(9):
        decay = case.log_decay if case.log_decay is None or case.log_decay.ndim == 1 else case.log_decay[:, t]
        beta = None if case.beta is None else case.beta[:, t]
        o, state = recurrence_step(case.q[:, t], case.k[:, t], case.v[:, t], state, log_decay=decay, beta=beta)
        outputs.append(o)
    torch.testing.assert_close(torch.stack(outputs, 1), expected)
    torch.testing.assert_close(state, final)


def test_the_package_exports_its_public_names():
    """Every public name resolves, and any other raises AttributeError."""
    assert dir(kernels) == sorted(kernels.__all__)
    assert all(getattr(kernels, name) is not None for name in kernels.__all__)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = kernels.linear_recurrences


def test_importing_the_package_imports_no_torch():
    """A library that looks for another package of this name imports this one, and should not load torch then."""
    check = "import sys, kernels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
