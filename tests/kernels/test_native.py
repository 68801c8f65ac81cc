"""The compiled recurrence as an operator, its choice by "auto", and what holds where it was not built."""

import subprocess
import sys

import pytest
import torch

from kernels import available_backends, linear_recurrence
from kernels.cases import KINDS, draw
from kernels.recurrence.arguments import canonical

built = pytest.mark.skipif("native" not in available_backends(), reason="the native library was not built here")
WITHOUT = (
    "import kernels.recurrence.native.library as library; library.LIBRARY = None; from kernels import *; import torch; "
)


def run(program, **environment):
    """Run a program in a process of its own; fail with what it said."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment or None, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]


@built
@pytest.mark.parametrize("kind", KINDS)
def test_is_a_well_behaved_operator(kind):
    """Schema, shape inference, autograd registration and tracing pass torch's own checks."""
    case = draw(kind, length=5, heads=2, key_width=6, value_width=3)
    p = canonical(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
    tensors = (p.q, p.k, p.v, p.log_decay, p.beta, p.state)
    leaves = [None if x is None else x.detach().clone().requires_grad_() for x in tensors]
    torch.library.opcheck(torch.ops.move37.native_recurrence.default, (*leaves, p.scale, 16))


@built
def test_compiles_into_one_graph():
    """torch.compile takes the operator as it is, forward and backward."""
    case = draw("gated_delta", length=40, heads=2, key_width=16)

    def total(**tensors):
        o, _ = linear_recurrence(**tensors, backend="native")
        return o.square().sum()

    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (total, compiled):
        leaves = {name: x.clone().requires_grad_() for name, x in case.tensors().items()}
        gradients.append(torch.autograd.grad(function(**leaves), list(leaves.values())))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*gradients, strict=True))


@built
@pytest.mark.parametrize("kind", KINDS)
def test_one_of_two_results_may_go_unused(kind):
    """The gradient of an output that no loss saw is zero."""
    case = draw(kind, length=40, heads=1, key_width=16)
    leaves = {name: x.clone().requires_grad_() for name, x in case.tensors().items()}
    for chosen in (0, 1):
        results = [linear_recurrence(**leaves, output_final_state=True, backend=name) for name in ("native", "chunked")]
        ours, theirs = (torch.autograd.grad(r[chosen].sum(), list(leaves.values()), allow_unused=True) for r in results)
        for actual, expected in zip(ours, theirs, strict=True):
            torch.testing.assert_close(actual, torch.zeros_like(actual) if expected is None else expected)


@built
@pytest.mark.parametrize(
    "views",
    [
        torch.randn(2, 70, 3, 48).split(16, dim=-1),
        torch.randn(2, 70, 3, 4, 16).unbind(2),
        torch.randn(3, 2, 16, 70, 4).permute(0, 1, 3, 4, 2).unbind(0),
        torch.randn(2, 70, 4, 3)[..., None].unbind(3),
    ],
    ids=["slices", "slots", "turned", "one wide"],
)
def test_takes_views_as_they_come(views):
    """Tensors that are parts of a larger one, and slopes that are expanded, are read right."""
    q, k, v = (x.requires_grad_() for x in views)
    o, _ = linear_recurrence(q, k, v, backend="native")
    expected, _ = linear_recurrence(q, k, v, backend="reference")
    torch.testing.assert_close(o, expected, rtol=1e-4, atol=1e-4)
    ours, theirs = (torch.autograd.grad(x.sum(), (q, k, v)) for x in (o, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@built
@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_is_kept(kind):
    """What is not a number in an input is not one in what depends on it, and nowhere before its chunk."""
    case = draw(kind, length=100, heads=1, key_width=16)
    case.v[0, 70, 0, 3] = torch.nan
    o, final = linear_recurrence(**case.tensors(), output_final_state=True, backend="native")
    assert final is not None
    assert o[0, 70, 0, 3].isnan()
    assert final[..., 3].isnan().all()
    assert o[:, :64].isfinite().all()


@built
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_every_build_that_this_processor_can_run_agrees(capability):
    """The builds for lesser processors mean the same: torch is told to take this one for such."""
    program = (
        "import torch; from kernels.cases import KINDS, draw, outputs_and_gradients, relative_errors\n"
        "for kind in KINDS:\n"
        "    case = draw(kind, length=70, heads=2, key_width=30, value_width=17, decay=1.0)\n"
        "    exact = outputs_and_gradients(case.to(torch.float64), 'reference')\n"
        "    errors = relative_errors(outputs_and_gradients(case, 'native'), exact)\n"
        "    assert max(errors.values()) <= 1e-5, (kind, errors)\n"
    )
    run(program, ATEN_CPU_CAPABILITY=capability, PYTHONPATH=":".join(sys.path))


@built
@pytest.mark.parametrize(
    ("change", "said"),
    [({"dtype": torch.float64}, "float64"), ({"dtype": torch.bfloat16}, "bfloat16"), ({"key_width": 300}, "300 wide")],
    ids=["fp64", "bf16", "wide"],
)
def test_says_why_it_cannot_run(change, said):
    """An explicit choice is an error with a reason; "auto" takes another form."""
    case = draw("ssd", **{"length": 5, "key_width": 16, **change})
    with pytest.raises(ValueError, match=said):
        linear_recurrence(**case.tensors(), backend="native")
    assert linear_recurrence(**case.tensors())[0].isfinite().all()


@built
def test_auto_takes_it_and_gives_way():
    """The library where it can run; the portable form to transforms and to observers."""
    from torch.utils.flop_counter import FlopCounterMode

    case = draw("gla", length=64, heads=2, key_width=16)
    arguments = case.tensors()
    chosen = linear_recurrence(**arguments)[0]
    assert torch.equal(chosen, linear_recurrence(**arguments, backend="native")[0])
    with FlopCounterMode(display=False) as counter:
        portable = linear_recurrence(**arguments)[0]
    assert counter.get_total_flops() > 0
    assert torch.equal(portable, linear_recurrence(**arguments, backend="chunked")[0])
    rows = torch.func.vmap(lambda v: linear_recurrence(**{**arguments, "v": v})[0])(torch.stack([case.v, case.v]))
    assert torch.equal(rows[0], rows[1])


def test_without_the_library_everything_else_works():
    """Not built: "auto" takes the portable form, and asking for the library says what is missing."""
    run(
        WITHOUT + "x = torch.ones(1, 9, 1, 4); assert 'native' not in available_backends()\n"
        "assert torch.equal(linear_recurrence(x, x, x)[0], linear_recurrence(x, x, x, backend='chunked')[0])\n"
        "try: linear_recurrence(x, x, x, backend='native')\n"
        "except ValueError as error: assert 'not built' in str(error), error\n"
        "else: raise SystemExit('it ran')"
    )


def test_a_library_of_another_system_is_as_good_as_none():
    """One that the loader refuses, in a folder that was copied from elsewhere, leaves the portable form."""
    run(
        "import ctypes, torch\n"
        "class Refused:\n"
        "    def __init__(self, path): raise OSError(path)\n"
        "ctypes.CDLL = Refused\n"
        "from kernels import available_backends; assert available_backends() == ('reference', 'chunked')"
    )
