"""The Triton kernels, interpreted on the CPU at small sizes; on a GPU the conformance suite runs them at all sizes.

Triton reads TRITON_INTERPRET when it is imported, so the cases run in a process of their own.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

PROGRAM = """
import sys, torch
from dataclasses import replace
from kernels.cases import draw, outputs_and_gradients, relative_errors
kind, dtype, bar = sys.argv[1], getattr(torch, sys.argv[2]), float(sys.argv[3])
cases = {
    "one step": draw(kind, batch=2, length=1, heads=1, key_width=16),
    "two chunks, odd widths": draw(kind, length=21, heads=2, key_width=20, value_width=9, decay=1.0, seed=2),
    "packed": draw(kind, length=0, lengths=(3, 18), heads=1, key_width=16, value_width=24),
}
if dtype == torch.float32:
    cases["violent decay"] = draw(kind, length=18, heads=1, key_width=16, decay=20.0)
for name, case in cases.items():
    case = case.to(dtype)
    case = replace(case, cu_seqlens=case.cu_seqlens)
    expected = outputs_and_gradients(case.to(torch.float64), "reference")
    errors = relative_errors(outputs_and_gradients(case, "triton", 16), expected)
    worst = max(errors, key=errors.get)
    assert errors[worst] <= bar, f"{name}: {worst} is off by {errors[worst]:.1e}"
"""
OPCHECK = """
import torch
from kernels.cases import draw
from kernels.recurrence.arguments import canonical
from kernels.recurrence.gpu.operators import recurrence_forward
case = draw("gated_delta", length=18, heads=1, key_width=16)
p = canonical(case.q, case.k, case.v, case.log_decay, case.beta, None, case.initial_state)
tensors = [x.detach().requires_grad_() for x in (p.q, p.k, p.v, p.log_decay, p.beta, p.state)]
torch.library.opcheck(recurrence_forward, (*tensors, None, p.scale, 16))
"""
KINDS = ("linear", "retention", "ssd", "gla", "delta", "gated_delta", "kda")


def interpret(program: str, *arguments: str) -> None:
    """Run a program with interpreted kernels and fail with what it said."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_reference_in_fp32(kind):
    """Outputs, final states and every gradient, over odd sizes, packed sequences and violent decay."""
    interpret(PROGRAM, kind, "float32", "1e-5")


@pytest.mark.parametrize("kind", ["ssd", "kda"])
def test_agrees_with_the_reference_in_fp16(kind):
    """Sixteen-bit inputs stay within the bar of sixteen-bit results."""
    interpret(PROGRAM, kind, "float16", "5e-3")


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
