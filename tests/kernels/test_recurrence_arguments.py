"""Wrong calls are refused with one line that says what is wrong."""

import subprocess
import sys

import pytest
import torch

import kernels
from kernels import linear_recurrence, recurrence_step
from kernels.cases import KINDS, draw

GOOD = {"q": torch.randn(2, 5, 2, 4), "k": torch.randn(2, 5, 2, 4), "v": torch.randn(2, 5, 4, 3)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"q": torch.randn(2, 5, 8)}, "q must be"),
        ({"k": torch.randn(2, 5, 2, 5)}, "one shape"),
        ({"v": torch.randn(2, 6, 4, 3)}, "batch and time"),
        ({"v": torch.randn(2, 5, 3, 3)}, "do not divide"),
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
        ({"backend": "triton", "q": GOOD["q"].double(), "k": GOOD["k"].double(), "v": GOOD["v"].double()}, "triton"),
        ({"cu_seqlens": torch.tensor([0, 5])}, "cu_seqlens"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_says_what_is_wrong_in_one_line(change, said):
    """Shapes, dtypes, devices, positive decay, chunk sizes and backends are checked."""
    with pytest.raises(ValueError, match=said) as caught:
        linear_recurrence(**{**GOOD, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bounds", [[0, 3], [1, 5], [0, 3, 3, 5], [0, 4, 2, 5]])
def test_offsets_must_rise_from_zero_to_the_length(bounds):
    """Packed sequences cover time exactly, and none is empty."""
    one = {name: x[:1] for name, x in GOOD.items()}
    with pytest.raises(ValueError, match="cu_seqlens must rise"):
        linear_recurrence(**one, cu_seqlens=torch.tensor(bounds))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_in_a_row_are_the_whole(kind):
    """Decoding token by token gives what one call gives."""
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


def test_the_face_is_what_is_exported():
    """Every public name resolves, and nothing else is offered."""
    assert dir(kernels) == sorted(kernels.__all__)
    assert all(getattr(kernels, name) is not None for name in kernels.__all__)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = kernels.linear_recurrences


def test_importing_the_package_imports_no_torch():
    """Other libraries may execute a package of this name; it must cost them nothing."""
    check = "import sys, kernels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
