"""The compiled recurrence as an operator, its choice by "auto", and the behaviour if it was not built."""

import subprocess
import sys

import pytest
import torch

from kernels import available_backends, linear_recurrence
from kernels.cases import KINDS, draw
from kernels.recurrence.arguments import canonical_inputs

IF_BUILT = pytest.mark.skipif("native" not in available_backends(), reason="the native library was not built here")
WITHOUT_LIBRARY = (
    "import kernels.recurrence.native.library as library; library.LIBRARY = None; from kernels import *; import torch; "
)


def run(program, **environment):
    """Run a program in its own process; fail with the end of its stderr."""
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, env=environment or None, capture_output=True, text=True, check=False, timeout=170)
    assert process.returncode == 0, process.stderr[-2000:]


@IF_BUILT
@pytest.mark.parametrize("kind", KINDS)
def test_passes_the_checks_of_torch_for_operators(kind):
    """Schema, shape inference, autograd registration and tracing pass `torch.library.opcheck`."""
    case = draw(kind, length=5, heads=2, key_width=6, value_width=3)
    inputs = canonical_inputs(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
    tensors = (inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta, inputs.state)
    leaves = [None if x is None else x.detach().clone().requires_grad_() for x in tensors]
    torch.library.opcheck(torch.ops.move37.native_recurrence.default, (*leaves, inputs.scale, 16))


@IF_BUILT
def test_compiles_into_one_graph():
    """torch.compile keeps the operator whole, forward and backward, and the gradients are bit for bit the same."""
    case = draw("gated_delta", length=40, heads=2, key_width=16)

    def sum_of_squares(**tensors):
        o, _ = linear_recurrence(**tensors, backend="native")
        return o.square().sum()

    compiled = torch.compile(sum_of_squares, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (sum_of_squares, compiled):
        leaves = {name: x.clone().requires_grad_() for name, x in case.tensors().items()}
        gradients.append(torch.autograd.grad(function(**leaves), list(leaves.values())))
    assert all(torch.equal(eager, traced) for eager, traced in zip(*gradients, strict=True))


@IF_BUILT
@pytest.mark.parametrize("kind", KINDS)
def test_either_result_may_be_unused(kind):
    """The gradient through a result that is not part of the loss is zero."""
    case = draw(kind, length=40, heads=1, key_width=16)
    leaves = {name: x.clone().requires_grad_() for name, x in case.tensors().items()}
    for index in (0, 1):
        results = [linear_recurrence(**leaves, output_final_state=True, backend=name) for name in ("native", "chunked")]
        native, chunked = (
            torch.autograd.grad(result[index].sum(), list(leaves.values()), allow_unused=True) for result in results
        )
        for actual, expected in zip(native, chunked, strict=True):
            torch.testing.assert_close(actual, torch.zeros_like(actual) if expected is None else expected)


@IF_BUILT
@pytest.mark.parametrize(
    "views",
    [
        torch.randn(2, 70, 3, 48).split(16, dim=-1),
        torch.randn(2, 70, 3, 4, 16).unbind(2),
        torch.randn(3, 2, 16, 70, 4).permute(0, 1, 3, 4, 2).unbind(0),
        torch.randn(2, 70, 4, 3)[..., None].unbind(3),
    ],
    ids=["slices", "slots", "transposed", "one wide"],
)
def test_strided_views_give_the_right_results(views):
    """Inputs may be parts of a larger tensor, and output gradients may be expanded."""
    q, k, v = (x.requires_grad_() for x in views)
    o, _ = linear_recurrence(q, k, v, backend="native")
    expected, _ = linear_recurrence(q, k, v, backend="reference")
    torch.testing.assert_close(o, expected, rtol=1e-4, atol=1e-4)
    gradients, expected_gradients = (torch.autograd.grad(x.sum(), (q, k, v)) for x in (o, expected))
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-4)


@IF_BUILT
@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_propagates(kind):
    """A NaN in an input makes the results that depend on it NaN, and none before its chunk."""
    case = draw(kind, length=100, heads=1, key_width=16)
    case.v[0, 70, 0, 3] = torch.nan
    o, final = linear_recurrence(**case.tensors(), output_final_state=True, backend="native")
    assert final is not None
    assert o[0, 70, 0, 3].isnan()
    assert final[..., 3].isnan().all()
    assert o[:, :64].isfinite().all()


@IF_BUILT
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_every_build_that_this_processor_can_run_agrees(capability):
    """The builds for older processors agree with the reference; an environment variable makes torch select them."""
    program = (
        "import torch; from kernels.cases import KINDS, draw, outputs_and_gradients, relative_errors\n"
        "for kind in KINDS:\n"
        "    case = draw(kind, length=70, heads=2, key_width=30, value_width=17, decay=1.0)\n"
        "    exact = outputs_and_gradients(case.to(torch.float64), 'reference')\n"
        "    errors = relative_errors(outputs_and_gradients(case, 'native'), exact)\n"
        "    assert max(errors.values()) <= 1e-5, (kind, errors)\n"
    )
    run(program, ATEN_CPU_CAPABILITY=capability, PYTHONPATH=":".join(sys.path))


@IF_BUILT
@pytest.mark.parametrize(
    ("change", "message"),
    [({"dtype": torch.float64}, "float64"), ({"dtype": torch.bfloat16}, "bfloat16"), ({"key_width": 300}, "300 wide")],
    ids=["fp64", "bf16", "wide"],
)
def test_a_request_that_the_library_cannot_run_raises_the_reason(change, message):
    """If the library is requested, the error has a reason; "auto" takes another backend."""
    case = draw("ssd", **{"length": 5, "key_width": 16, **change})
    with pytest.raises(ValueError, match=message):
        linear_recurrence(**case.tensors(), backend="native")
    assert linear_recurrence(**case.tensors())[0].isfinite().all()


@IF_BUILT
def test_auto_uses_the_library_except_in_transforms_and_under_observers():
    """A FLOP counter and `torch.func` get the chunked backend, whose operations they can see."""
    from torch.utils.flop_counter import FlopCounterMode

    case = draw("gla", length=64, heads=2, key_width=16)
    arguments = case.tensors()
    default = linear_recurrence(**arguments)[0]
    assert torch.equal(default, linear_recurrence(**arguments, backend="native")[0])
    with FlopCounterMode(display=False) as counter:
        observed = linear_recurrence(**arguments)[0]
    assert counter.get_total_flops() > 0
    assert torch.equal(observed, linear_recurrence(**arguments, backend="chunked")[0])
    rows = torch.func.vmap(lambda v: linear_recurrence(**{**arguments, "v": v})[0])(torch.stack([case.v, case.v]))
    assert torch.equal(rows[0], rows[1])


def test_without_the_library_everything_else_works():
    """If the library is not built, "auto" uses the chunked backend, and requesting the library raises the reason."""
    run(
        WITHOUT_LIBRARY + "x = torch.ones(1, 9, 1, 4); assert 'native' not in available_backends()\n"
        "assert torch.equal(linear_recurrence(x, x, x)[0], linear_recurrence(x, x, x, backend='chunked')[0])\n"
        "try: linear_recurrence(x, x, x, backend='native')\n"
        "except ValueError as error: assert 'not built' in str(error), error\n"
        "else: raise SystemExit('no error')"
    )


def test_a_library_of_another_system_is_ignored():
    """If the loader refuses the library, as in a folder copied from elsewhere, the other backends remain."""
    run(
        "import ctypes, torch\n"
        "class Refused:\n"
        "    def __init__(self, path): raise OSError(path)\n"
        "ctypes.CDLL = Refused\n"
        "from kernels import available_backends; assert available_backends() == ('reference', 'chunked')"
    )
