"""The Triton kernels, interpreted on the CPU at small sizes; on a GPU the conformance suite runs them at all sizes.

Triton reads TRITON_INTERPRET when it is imported, so the cases run in a process of their own, which prints the errors.
"""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

KINDS = ("linear", "retention", "ssd", "gla", "delta", "gated_delta", "kda")
CONFORMANCE = """
import json, torch
from kernels.cases import KINDS, draw, outputs_and_gradients, relative_errors
def largest_error(case):
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    errors = relative_errors(outputs_and_gradients(case, "triton", 16), expected)
    return max(errors.items(), key=lambda pair: pair[1])
report = {}
for kind, settings in KINDS.items():
    packed = draw(kind, length=0, lengths=(3, 17), heads=2, key_width=20, value_width=9, decay=1.0, seed=2)
    report[kind, "packed, two chunks, odd widths"] = largest_error(packed)
    report[kind, "one step"] = largest_error(draw(kind, batch=2, length=1, heads=1, key_width=16))
    if settings.decay:
        report[kind, "strong decay"] = largest_error(draw(kind, length=9, heads=1, key_width=16, decay=20.0))
    if settings.delta:
        silent = draw(kind, length=9, heads=1, key_width=16)
        silent.beta[:, ::2] = 0
        report[kind, "steps that write nothing"] = largest_error(silent)
    if kind in ("ssd", "kda"):
        report[kind, "fp16"] = largest_error(draw(kind, length=9, heads=1, key_width=16, dtype=torch.float16))
print(json.dumps([[*name, *error] for name, error in report.items()]))
"""
OPCHECK = """
import torch
from kernels.cases import draw
from kernels.recurrence.arguments import canonical_inputs
from kernels.recurrence.gpu.operators import recurrence_forward
case = draw("gated_delta", length=3, heads=1, key_width=16)
inputs = canonical_inputs(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
arguments = (inputs.q, inputs.k, inputs.v, inputs.log_decay, inputs.beta, inputs.state)
tensors = [x.detach().requires_grad_() for x in arguments]
torch.library.opcheck(recurrence_forward, (*tensors, None, inputs.scale, 16))
"""

RUN_TWICE = """
import torch
from triton.runtime.autotuner import Autotuner
from kernels.cases import draw, outputs_and_gradients
from kernels.recurrence.gpu import launch
class RunTwice:
    def __init__(self, kernel):
        self.kernel = kernel
    def __getitem__(self, grid):
        def run(*positional, **named):
            arguments = {**dict(zip(self.kernel.arg_names, positional)), **named}
            before = {name: arguments[name].clone() for name in self.kernel.restore_value}
            self.kernel[grid](*positional, **named)
            first = [x.clone() for x in positional if isinstance(x, torch.Tensor)]
            for name, x in before.items():
                arguments[name].copy_(x)
            self.kernel[grid](*positional, **named)
            second = [x for x in positional if isinstance(x, torch.Tensor)]
            for x, y in zip(first, second):
                assert torch.equal(x.nan_to_num(), y.nan_to_num()), self.kernel.base_fn.__name__
            launched.add(self.kernel.base_fn.__name__)
        return run
launched = set()
kernels = {name: kernel for name, kernel in vars(launch).items() if isinstance(kernel, Autotuner)}
for name, kernel in kernels.items():
    assert len(kernel.configs) == 1, name
    setattr(launch, name, RunTwice(kernel))
for kind in ("gated_delta", "kda"):
    outputs_and_gradients(draw(kind, length=17, heads=1, key_width=16), "triton", 16)
assert launched == set(kernels), set(kernels) - launched
"""
PROGRAMS = {"conformance": CONFORMANCE, "operators": OPCHECK, "twice": RUN_TWICE}
"""In this order: the last one replaces the kernels."""
ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys, traceback
results = {}
for name, program in json.load(sys.stdin).items():
    printed, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(program, name, "exec"), {"__name__": name})
    except Exception:
        error = traceback.format_exc()[-2000:]
    results[name] = [printed.getvalue(), error]
print(json.dumps(results))
"""
"""Runs programs in one process, which imports torch once, and prints what each printed and how it failed."""
LIMIT_S = 400
"""Seconds for all programs: whichever test comes first waits for them."""
pytestmark = pytest.mark.timeout(LIMIT_S + 10)


@pytest.fixture(scope="module")
def interpreted():
    """Return a function that returns what a program with interpreted kernels printed, and fails if it failed."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER],
        input=json.dumps(PROGRAMS), env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-2000:]
    results = json.loads(process.stdout)

    def printed(name):
        output, error = results[name]
        assert not error, error
        return output

    return printed


@pytest.fixture
def report(interpreted):
    """Return the largest relative error of every case, with the name of its result."""
    return {(kind, case): (name, error) for kind, case, name, error in json.loads(interpreted("conformance"))}


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_reference(kind, report):
    """Outputs, final states and every gradient: odd sizes, packed sequences, single steps, strong decay."""
    errors = {case: error for (of, case), error in report.items() if of == kind and case != "fp16"}
    assert len(errors) >= 2
    assert {case: error for case, error in errors.items() if error[1] > 1e-5} == {}


@pytest.mark.parametrize("kind", ["ssd", "kda"])
def test_agrees_with_the_reference_in_fp16(kind, report):
    """Errors of sixteen-bit inputs stay within the limit for sixteen-bit results."""
    assert report[kind, "fp16"][1] <= 5e-3


def test_a_kernel_may_run_many_times(interpreted):
    """Each kernel leaves the same results if it runs again after autotuning has restored the tensors it overwrites."""
    interpreted("twice")


def test_kernels_are_autotuned_by_shape():
    """Without the interpreter every kernel has several distinct configurations, and a key of its own sizes."""
    program = (
        "from triton.runtime.autotuner import Autotuner\n"
        "from kernels.recurrence.gpu import launch\n"
        "kernels = [x for x in vars(launch).values() if isinstance(x, Autotuner)]\n"
        "assert len(kernels) == 14\n"
        "for kernel in kernels:\n"
        "    choices = [(c.num_warps, c.num_stages) for c in kernel.configs]\n"
        "    assert len(choices) == len(set(choices)) >= 2, kernel\n"
        "    assert kernel.cache_results\n"
        "    sizes = {name for name in kernel.arg_names if name in ('D', 'K', 'V', 'C', 'DECAY', 'DELTA')}\n"
        "    assert sizes and sizes <= set(kernel.keys), kernel\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_passes_the_checks_of_torch_for_operators(interpreted):
    """Schema, shape inference, autograd registration and tracing pass `torch.library.opcheck`."""
    interpreted("operators")


def test_a_request_without_a_gpu_raises_the_reason():
    """Without a GPU and without the interpreter, requesting the kernels raises an error that says so."""
    program = (
        "import torch; from kernels import linear_recurrence; x = torch.ones(1, 2, 1, 4)\n"
        "try: linear_recurrence(x, x, x, backend='triton')\n"
        "except ValueError as error: assert 'need a GPU' in str(error), error\n"
        "else: raise SystemExit('it ran')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
