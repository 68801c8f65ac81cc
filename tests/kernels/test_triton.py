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
