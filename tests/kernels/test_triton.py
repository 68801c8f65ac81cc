"""The Triton kernels, interpreted on the CPU at small sizes; on a GPU the conformance suite runs them at all sizes.

Triton reads TRITON_INTERPRET when it is imported, so the cases run in one process of their own, which reports errors.
"""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

KINDS = ("linear", "retention", "ssd", "gla", "delta", "gated_delta", "kda")
PROGRAM = """
import json, torch
from kernels.cases import KINDS, draw, outputs_and_gradients, relative_errors
def worst(case):
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    errors = relative_errors(outputs_and_gradients(case, "triton", 16), expected)
    return max(errors.items(), key=lambda pair: pair[1])
report = {}
for kind, settings in KINDS.items():
    packed = draw(kind, length=0, lengths=(3, 17), heads=2, key_width=20, value_width=9, decay=1.0, seed=2)
    report[kind, "packed, two chunks, odd widths"] = worst(packed)
    report[kind, "one step"] = worst(draw(kind, batch=2, length=1, heads=1, key_width=16))
    if settings.decay:
        report[kind, "violent decay"] = worst(draw(kind, length=9, heads=1, key_width=16, decay=20.0))
    if settings.delta:
        silent = draw(kind, length=9, heads=1, key_width=16)
        silent.beta[:, ::2] = 0
        report[kind, "steps that write nothing"] = worst(silent)
    if kind in ("ssd", "kda"):
        report[kind, "fp16"] = worst(draw(kind, length=9, heads=1, key_width=16, dtype=torch.float16))
print(json.dumps([[*name, *error] for name, error in report.items()]))
"""
OPCHECK = """
import torch
from kernels.cases import draw
from kernels.recurrence.arguments import canonical
from kernels.recurrence.gpu.operators import recurrence_forward
case = draw("gated_delta", length=3, heads=1, key_width=16)
p = canonical(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
tensors = [x.detach().requires_grad_() for x in (p.q, p.k, p.v, p.log_decay, p.beta, p.state)]
torch.library.opcheck(recurrence_forward, (*tensors, None, p.scale, 16))
"""

TWICE = """
import torch
from triton.runtime.autotuner import Autotuner
from kernels.cases import draw, outputs_and_gradients
from kernels.recurrence.gpu import launch
class Twice:
    def __init__(self, kernel):
        self.kernel = kernel
    def __getitem__(self, grid):
        def run(*positional, **named):
            arguments = {**dict(zip(self.kernel.arg_names, positional)), **named}
            before = {name: arguments[name].clone() for name in self.kernel.restore_value}
            self.kernel[grid](*positional, **named)
            once = [x.clone() for x in positional if isinstance(x, torch.Tensor)]
            for name, x in before.items():
                arguments[name].copy_(x)
            self.kernel[grid](*positional, **named)
            twice = [x for x in positional if isinstance(x, torch.Tensor)]
            for first, second in zip(once, twice):
                assert torch.equal(first.nan_to_num(), second.nan_to_num()), self.kernel.base_fn.__name__
            kernels.add(self.kernel.base_fn.__name__)
        return run
kernels = set()
raced = {name: kernel for name, kernel in vars(launch).items() if isinstance(kernel, Autotuner)}
for name, kernel in raced.items():
    assert len(kernel.configs) == 1, name
    setattr(launch, name, Twice(kernel))
for kind in ("gated_delta", "kda"):
    outputs_and_gradients(draw(kind, length=17, heads=1, key_width=16), "triton", 16)
assert kernels == set(raced), set(raced) - kernels
"""


def interpret(program):
    """Run a program with interpreted kernels; return what it printed, fail with what it said."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def report():
    """Return the worst relative error of every case, with the name of the result it is in."""
    return {(kind, case): (name, error) for kind, case, name, error in json.loads(interpret(PROGRAM))}


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_reference(kind, report):
    """Outputs, final states and every gradient: odd sizes, packed sequences, single steps, violent decay."""
    errors = {case: found for (of, case), found in report.items() if of == kind and case != "fp16"}
    assert len(errors) >= 2
    assert {case: found for case, found in errors.items() if found[1] > 1e-5} == {}


@pytest.mark.parametrize("kind", ["ssd", "kda"])
def test_agrees_with_the_reference_in_fp16(kind, report):
    """Sixteen-bit inputs stay within the bar of sixteen-bit results."""
    assert report[kind, "fp16"][1] <= 5e-3


def test_a_race_may_run_a_kernel_many_times():
    """Every kernel leaves the same when it is run again, once what it overwrites is restored as its race does."""
    interpret(TWICE)


def test_kernels_are_raced_by_shape():
    """Away from the interpreter every kernel has several configurations, no two alike, and a key of its own sizes."""
    program = (
        "from triton.runtime.autotuner import Autotuner\n"
        "from kernels.recurrence.gpu import launch\n"
        "raced = [x for x in vars(launch).values() if isinstance(x, Autotuner)]\n"
        "assert len(raced) == 14\n"
        "for kernel in raced:\n"
        "    choices = [(c.num_warps, c.num_stages) for c in kernel.configs]\n"
        "    assert len(choices) == len(set(choices)) >= 2, kernel\n"
        "    assert kernel.cache_results\n"
        "    sizes = {name for name in kernel.arg_names if name in ('D', 'K', 'V', 'C', 'DECAY', 'DELTA')}\n"
        "    assert sizes and sizes <= set(kernel.keys), kernel\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_is_a_well_behaved_operator():
    """Schema, shape inference, autograd registration and tracing pass torch's own checks."""
    interpret(OPCHECK)


def test_says_why_it_cannot_run():
    """Without a GPU and without the interpreter, asking for the kernels is an error that says so."""
    program = (
        "import torch; from kernels import linear_recurrence; x = torch.ones(1, 2, 1, 4)\n"
        "try: linear_recurrence(x, x, x, backend='triton')\n"
        "except ValueError as error: assert 'need a GPU' in str(error), error\n"
        "else: raise SystemExit('it ran')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
