"""The recurrence is an ordinary differentiable function: gradcheck, torch.func, memory and autocast."""

import pytest
import torch

from kernels import available_backends, linear_recurrence
from kernels.cases import KINDS, draw

IF_BUILT = pytest.mark.skipif("native" not in available_backends(), reason="the native library was not built here")
EACH_BACKEND = pytest.mark.parametrize("backend", ["chunked", pytest.param("native", marks=IF_BUILT)])


def function_of(kind: str, length: int):
    """Return a function of the tensor arguments alone, and such arguments in fp64."""
    case = draw(kind, length=length, heads=2, key_width=3, value_width=2, dtype=torch.float64)
    names = tuple(case.tensors())
    leaves = tuple(x.requires_grad_() for x in case.tensors().values())

    def run(*tensors):
        arguments = dict(zip(names, tensors, strict=True))
        return linear_recurrence(**arguments, output_final_state=True, chunk_size=16, backend="chunked")

    return run, leaves


@pytest.mark.parametrize("kind", KINDS)
def test_the_hand_written_backward_is_the_derivative(kind):
    """`torch.autograd.gradcheck` compares it with finite differences."""
    run, arguments = function_of(kind, 19)
    assert torch.autograd.gradcheck(run, arguments, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_jacobians_by_reverse_forward_and_vmap_agree(kind):
    """Jacobians by jacrev and jacfwd agree, and equal those of autograd."""
    run, arguments = function_of(kind, 5)
    query, *other_inputs = (x.detach() for x in arguments)

    def of_query(x):
        return run(x, *other_inputs)[0]

    by_reverse = torch.func.jacrev(of_query)(query)
    torch.testing.assert_close(torch.func.jacfwd(of_query)(query), by_reverse)
    torch.testing.assert_close(torch.autograd.functional.jacobian(of_query, query), by_reverse)


@EACH_BACKEND
@pytest.mark.parametrize("kind", KINDS)
def test_no_output_depends_on_the_future_or_another_sequence(kind, backend):
    """A change at one step of one sequence leaves earlier steps and other sequences bit for bit the same."""
    case = draw(kind, batch=2, length=70, heads=1, key_width=16)
    o, _ = linear_recurrence(**case.tensors(), backend=backend)
    case.v[0, 50] += 1.0
    changed, _ = linear_recurrence(**case.tensors(), backend=backend)
    assert torch.equal(o[1], changed[1])
    assert torch.equal(o[0, :50], changed[0, :50])
    assert not torch.equal(o[0, 50:], changed[0, 50:])


@EACH_BACKEND
@pytest.mark.parametrize("kind", KINDS)
def test_repeated_calls_are_bit_identical(kind, backend):
    """The same inputs give the same bits."""
    case = draw(kind, batch=2, length=130, heads=2, key_width=16)
    o, repetition = (linear_recurrence(**case.tensors(), backend=backend)[0] for _ in range(2))
    assert torch.equal(o, repetition)


@EACH_BACKEND
@pytest.mark.parametrize("kind", KINDS)
def test_saved_memory_is_far_below_a_state_per_step(kind, backend):
    """The numbers that forward saves grow as T * D + T / C * D^2, not as T * D^2."""
    length, width = 1024, 32
    case = draw(kind, length=length, heads=1, key_width=width, initial_state=False)
    leaves = {name: x.requires_grad_() for name, x in case.tensors().items()}
    sizes: dict[int, int] = {}

    def record(x):
        sizes[x.data_ptr()] = x.numel()
        return x

    with torch.autograd.graph.saved_tensors_hooks(record, lambda x: x):
        linear_recurrence(**leaves, backend=backend)
    assert sum(sizes.values()) < length * width * width / 2
    assert sum(sizes.values()) < 14 * length * width


@pytest.mark.parametrize("backend", ["auto", "chunked"])
@pytest.mark.parametrize("kind", KINDS)
def test_autocast_applies_to_products_alone(kind, backend):
    """Autocast casts q, k and v, and nothing else, even if the backward pass runs inside it."""
    case = draw(kind, length=40, heads=2, key_width=16)
    leaves = {name: x.detach().requires_grad_() for name, x in case.tensors().items()}
    mixed = leaves | {"q": leaves["q"].bfloat16()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        o, final = linear_recurrence(**mixed, output_final_state=True, backend=backend)
        gradients = torch.autograd.grad(o.float().sum() + final.sum(), list(leaves.values()))
    narrow = leaves | {name: leaves[name].bfloat16() for name in "qkv"}
    expected, expected_final = linear_recurrence(**narrow, output_final_state=True, backend=backend)
    assert o.dtype == torch.bfloat16
    assert torch.equal(o, expected)
    assert torch.equal(final, expected_final)
    expected_gradients = torch.autograd.grad(expected.float().sum() + expected_final.sum(), list(leaves.values()))
    assert all(torch.equal(x, y) for x, y in zip(gradients, expected_gradients, strict=True))
